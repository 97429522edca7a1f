"""Has the language or the format of the inputs changed?"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from scipy.stats import fisher_exact

from drift.records import is_data

LEVEL: Final = 1e-5
LEAST: Final = 0.03
COMMON: Final = 100
MOST: Final = 2000
WORD: Final = re.compile(r"\w+")
MARKUP: Final = re.compile(r"</?[a-zA-Z][^>]*>|&[a-z]+;|[{\[]\s*\"|https?://")

Feature = Callable[[str], bool]


def changed_features(inputs: Sequence[str | None], known: Sequence[str | None]) -> str:
    """The feature of inputs whose share has risen most beyond chance and `LEAST`, in words; "" where none has.

    Of images and arrays nothing is said.
    """
    texts, usual = _texts(inputs), _texts(known)
    if not texts or not usual:
        return ""
    found = []
    for name, feature in features(usual).items():
        now, before = sum(map(feature, texts)), sum(map(feature, usual))
        rise = now / len(texts) - before / len(usual)
        table = [[now, len(texts) - now], [before, len(usual) - before]]
        if rise >= LEAST and fisher_exact(table, "greater").pvalue <= LEVEL:
            found.append((rise, f"{now / len(texts):.0%} of inputs {name}, {before / len(usual):.0%} in the reference"))
    return max(found)[1] if found else ""


def comparable(inputs: Sequence[str | None], known: Sequence[str | None]) -> bool:
    """Whether both have texts that could show a change."""
    return bool(_texts(inputs) and _texts(known))


def _texts(inputs: Sequence[str | None]) -> list[str]:
    return [text for text in inputs if text is not None and not is_data(text)][:MOST]


def features(usual: Sequence[str]) -> Mapping[str, Feature]:
    """What an input may be like, by a verb phrase; what is common and long is taken from the usual inputs."""
    words = Counter(word for text in usual for word in set(WORD.findall(text.lower())))
    common = {word for word, _ in words.most_common(COMMON)}
    longest = 2 * sorted(map(len, usual))[int(0.995 * (len(usual) - 1))]
    return {
        f"have none of the {COMMON} words that are common": lambda text: common.isdisjoint(WORD.findall(text.lower())),
        "are not in Latin letters": lambda text: sum(c.isalpha() and c > "\u024f" for c in text) > 0.3 * len(text),
        "have markup": lambda text: MARKUP.search(text) is not None,
        "are in capitals": lambda text: text.isupper(),
        f"are longer than {longest} characters": lambda text: len(text) > longest,
    }
