"""The rules of prose trip on what they forbid, and on nothing else."""

import pathlib

import pytest

from analysis.test.rules import rules
from analysis.test.rules.rules import File
from analysis.system.process import find_program
from analysis.test import prose

TOP = pathlib.Path(__file__).resolve().parents[2]


def document(text):
    return [File("core/DESIGN.md", text.encode())]


def test_a_sentence_ends_at_an_item_a_cell_and_a_heading():
    text = "# One\n\nTwo words. Three\nmore words:\n\n- four\n- five\n\n| six | seven eight |\n"
    assert [sentence for _, sentence in prose.sentences(text)] == [
        "# One", "Two words.", "Three more words:", "- four", "- five", "six", "seven eight"]


def test_code_is_no_prose():
    assert "word " * 40 not in prose.prose_of("```\n" + "word " * 40 + "\n```\n")
    assert prose.prose_of("a `b c d` e") == "a code e"


def test_a_long_sentence_is_named_with_its_line():
    complaint, = prose.long_sentences(document("Short.\n\n" + "word " * 36 + "end.\n"))
    assert complaint.startswith("core/DESIGN.md:3: a sentence of 37 words")
    assert prose.long_sentences(document("word " * 34 + "end.")) == []


@pytest.mark.parametrize("line, better", [
    ("the Short Way of alloc", "fast path"), ("shelved", "quarantine"), ("its rivals", "allocator"),
    ("a byte behind it", "after, or following")])
def test_a_private_word_is_named_with_the_fields(line, better):
    complaint, = prose.private_words(document(line))
    assert better in complaint


@pytest.mark.parametrize("path", ["core/a.c", "bench/b/c.hpp", "fuzz/meson.build", "analysis/a.py"])
def test_a_private_word_is_named_in_what_is_compiled(path):
    complaint, = prose.private_words([File(path, b"int a;\n/* untold */\n")])
    assert complaint.startswith(f"{path}:2: 'untold'")


def test_ordinary_words_pass():
    assert prose.private_words(document("a way, a shell, beforehand")) == []


@pytest.mark.skipif(not find_program("hunspell"), reason="hunspell is missing")
def test_a_misspelt_word_is_found():
    complaint, = prose.misspelled(document("Thiss `mispelt` word of malloc.\n"))
    assert complaint.startswith("core/DESIGN.md:1: unknown word 'Thiss'")


@pytest.mark.skipif(not find_program("hunspell"), reason="hunspell is missing")
@pytest.mark.parametrize("rule", [prose.long_sentences, prose.private_words, prose.misspelled])
def test_the_tree_reads_well(rule):
    assert rule(rules.read_tree(TOP)) == []
