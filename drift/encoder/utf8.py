"""Texts as they can be sent: tokenizers and endpoints take UTF-8, which has no lone surrogates."""


def sendable(text: str) -> str:
    """The text with lone surrogates replaced."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
