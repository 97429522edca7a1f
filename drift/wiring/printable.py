"""Text from outside, for a terminal."""


def printable(text: str) -> str:
    """`text` with a mark in place of each character that is none to read: a terminal would obey some of them."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
