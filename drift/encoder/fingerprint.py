"""What decides an encoder's numbers: the recipe, and the fingerprint that names all of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Pooling(StrEnum):
    """How the vectors of an input's tokens become one, in the words of sentence-transformers.

    `weightedmean` counts the n-th token n times; `mean_sqrt_len` is the sum over the square root of the length.
    """

    MEAN = "mean"
    CLS = "cls"
    MAX = "max"
    LAST = "lasttoken"
    WEIGHTED_MEAN = "weightedmean"
    MEAN_SQRT_LENGTH = "mean_sqrt_len"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one input becomes one vector, given weights and tokenizer: all that a serving path must get right.

    `max_length` counts tokens, special ones included; what is longer is cut. `prefix` is put before each input.
    """

    max_length: int
    pooling: Pooling = Pooling.MEAN
    normalise: bool = True
    prefix: str = ""
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that decides an encoder's numbers. Equal digests mean the same vectors, up to rounding.

    `weights`, `config` and `tokenizer` are sha256 as 64 hexadecimal digits; `device` is the kind, as in "cuda".
    """

    weights: str
    config: str
    tokenizer: str
    recipe: Recipe
    dtype: str
    device: str
    torch: str
    transformers: str
    deterministic: bool = False

    @property
    def digest(self) -> str:
        """20 hexadecimal digits (80 bits) of the sha256 over all parts."""
        return digest_of(asdict(self))

    @property
    def described(self) -> dict[str, str]:
        """Its parts by their names, those of the recipe among them, in words."""
        parts = asdict(self)
        recipe = parts.pop("recipe")
        return {name: str(value) for name, value in {**parts, **recipe}.items()}


def digest_of(parts: Mapping[str, object]) -> str:
    """20 hexadecimal digits (80 bits) of the sha256 over `parts`, in order of their names."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_all(paths: list[Path]) -> str:
    """sha256 of one file, or over names and sha256 of several, in order of name."""
    if len(paths) == 1:
        return sha256_of(paths[0])
    lines = "".join(f"{sha256_of(path)}  {path.name}\n" for path in sorted(paths, key=lambda path: path.name))
    return hashlib.sha256(lines.encode()).hexdigest()
