"""Prose in a docstring: whole sentences, without code, tables, markup and addresses."""

import re
from collections.abc import Iterator
from typing import Final

FEWEST_WORDS: Final = 8
MOST_WORDS: Final = 40
# Below this share of letters and spaces, a "sentence" is a formula or a listing.
LEAST_LETTERS: Final = 0.9

NOT_PROSE: Final = re.compile(
    r"""^(
        \s | >>> | \.\.[ ] | :\w | [-*+•|@] | \(?\w{1,3}[.)][ ] | \#    # indented, doctest, directive, field, list
      | ([=\-~^"'`.#*+_])\2{2,}                                         # underline
    )""",
    re.VERBOSE,
)
ROLE: Final = re.compile(r":[\w:+.-]+:`~?([^`<]+?)(?:\s*<[^`>]*>)?`")
LINK: Final = re.compile(r"`([^`<]+?)\s*<[^`>]*>`_{0,2}")
MARKUP: Final = re.compile(r"`{1,2}([^`]+)`{1,2}_{0,2}|\*{1,2}(\w[^*]*)\*{1,2}|\[\d+\]_")
ENDS: Final = re.compile(
    r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\betc\.)(?<!\bcf\.)(?<!\bvs\.)(?<!\bal\.)\s+(?=[A-Z])"
)
UNWANTED: Final = re.compile(r"\s[,;.:)]|://|www\.|[\\{}<>|=$^~@`_]|\.\.|--|\*|::|\w\(.|\b\w+\.\w+\.\w+")


def sentences(docstring: str) -> Iterator[str]:
    """Sentences of 8 to 40 words, in the order of the text."""
    for paragraph in paragraphs(docstring):
        for sentence in ENDS.split(plain(paragraph)):
            if is_sentence(sentence):
                yield sentence


def paragraphs(docstring: str) -> Iterator[str]:
    """Blocks of lines that are prose throughout, each on one line."""
    for block in re.split(r"\n\s*\n", docstring):
        lines = block.strip("\n").splitlines()
        if lines and not any(NOT_PROSE.match(line) for line in lines):
            yield " ".join(line.strip() for line in lines)


def plain(text: str) -> str:
    """The text without the marks of reStructuredText."""
    text = LINK.sub(r"\1", ROLE.sub(lambda role: role[1].rpartition(".")[2], text))
    return " ".join(MARKUP.sub(lambda mark: mark[1] or mark[2] or "", text).split())


def is_sentence(text: str) -> bool:
    """Whether this reads as one whole sentence of prose."""
    return (
        FEWEST_WORDS <= len(text.split()) <= MOST_WORDS
        and text[0].isupper()
        and text[-1] in ".!?"
        and not UNWANTED.search(text)
        and sum(c.isalpha() or c == " " for c in text) >= LEAST_LETTERS * len(text)
    )
