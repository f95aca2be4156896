"""Jinja templates, set up once: undefined names are errors, blocks leave no blank lines, and a
template may ask whether a value `is a("Grid")`.
"""

import pathlib
from typing import Any, Callable


def fill(path: pathlib.Path, filters: dict[str, Callable[..., str]] | None = None,
         escape: bool = False, **values: Any) -> str:
    """The template with these values; with `escape`, as HTML."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent), undefined=jinja2.StrictUndefined,
        autoescape=escape, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    made.filters.update(filters or {})
    made.tests["a"] = lambda value, name: type(value).__name__ == name
    return made.get_template(path.name).render(**values)
