"""Pure functions of numbers; the papers are cited at each formula."""
