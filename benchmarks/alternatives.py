"""Embeddings with a known law (the generator S1), and the ways in which they may go bad."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

Vectors = npt.NDArray[np.float32]
Change = Callable[[Vectors, np.random.Generator], Vectors]

DIM, LIVE = 384, 381


def _spectrum() -> npt.NDArray[np.float64]:
    powers = np.arange(1, LIVE + 1) ** -0.7
    return 0.9 * powers / powers.sum()


def normalise(x: npt.NDArray[np.floating]) -> Vectors:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def rotation(dim: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    return torch.linalg.qr(torch.from_numpy(rng.standard_normal((dim, dim))))[0].numpy()


SPECTRUM = _spectrum()
BASIS = rotation(LIVE, np.random.default_rng(384))
ROOT = torch.from_numpy(BASIS * np.sqrt(SPECTRUM)).float()
MEAN = 0.107**0.5 * torch.from_numpy(normalise(np.random.default_rng(107).standard_normal((1, LIVE))))


def s1(n: int, rng: np.random.Generator) -> Vectors:
    """`n` unit vectors like a sentence encoder's: 384 dimensions, 3 of them dead, mean cosine .107.

    The participation ratio is 101 before the rows are normalised, 108 after.
    """
    live = torch.from_numpy(rng.standard_normal((n, LIVE), dtype=np.float32)) @ ROOT.T + MEAN
    return torch.nn.functional.normalize(torch.nn.functional.pad(live, (0, DIM - LIVE))).numpy()


def shifted(x: Vectors, length: float, rng: np.random.Generator) -> Vectors:
    """`x` moved by `length` in a random direction, on the unit sphere again."""
    return normalise(x + length * normalise(rng.standard_normal((1, x.shape[1]))))


def along(x: Vectors, component: int, length: float) -> Vectors:
    """`x` moved by `length` along one of the generator's principal directions."""
    step = np.zeros((1, DIM))
    step[0, :LIVE] = BASIS[:, component]
    return normalise(x + length * step)


def replaced(x: Vectors, share: float, by: Callable[[int], Vectors]) -> Vectors:
    """`x` with the first `share` of its rows replaced."""
    count = round(share * len(x))
    return np.concatenate([by(count), x[count:]]).astype(np.float32)


def topic(n: int, rng: np.random.Generator) -> Vectors:
    """Rows of a topic that the generator does not have: close to one another, as far from it as its own rows are."""
    centre = np.random.default_rng(7).standard_normal((1, DIM)) / DIM**0.5
    return normalise(0.7 * centre + 0.7 * s1(n, rng))


def labelled_topics(n: int, rng: np.random.Generator) -> tuple[Vectors, tuple[str, ...]]:
    """Rows of six topics, overlapping, and their labels: 2560 rows teach a linear probe to tell 97 % of them right."""
    centres = normalise(np.random.default_rng(6).standard_normal((6, DIM)))
    of = rng.integers(0, 6, n)
    return normalise(s1(n, rng) + 0.15 * centres[of]), tuple("abcdef"[i] for i in of)


def known(n: int, rng: np.random.Generator) -> Vectors:
    """Rows of a region that the generator has: the tenth that lies furthest along its first direction."""
    x = s1(12 * n + 40, rng)
    return x[np.argsort(x[:, :LIVE] @ BASIS[:, 0])[-n:]] if n else x[:0]


def zeroed(x: Vectors) -> Vectors:
    """`x` without its first coordinate."""
    return np.concatenate([np.zeros_like(x[:, :1]), x[:, 1:]], axis=1)


def quantised(x: Vectors, bits: int) -> Vectors:
    """`x` as signed integers of `bits` bits with one scale per row give it back."""
    scale = np.abs(x).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    return (np.round(x / scale) * scale).astype(np.float32)


def collapsed(x: Vectors, directions: int) -> Vectors:
    """`x` on the generator's first `directions` directions only, on the unit sphere again."""
    live = BASIS[:, :directions]
    flat = np.zeros_like(x)
    flat[:, :LIVE] = x[:, :LIVE] @ live @ live.T
    return normalise(flat)


def noisy(x: Vectors, sd: float, rng: np.random.Generator) -> Vectors:
    return normalise(x + sd * rng.standard_normal(x.shape))


ALTERNATIVES: Final[Mapping[str, Change]] = {
    "nothing": lambda x, _: x,
    "5 % of a new topic": lambda x, rng: replaced(x, 0.05, lambda n: topic(n, rng)),
    "15 % more of a known region": lambda x, rng: replaced(x, 0.15, lambda n: known(n, rng)),
    "mean shift .02": lambda x, rng: shifted(x, 0.02, rng),
    "mean shift .03": lambda x, rng: shifted(x, 0.03, rng),
    "shift .01 along a quiet direction": lambda x, _: along(x, 330, 0.01),
    "noise, cosine .995": lambda x, rng: noisy(x, 0.1 / DIM**0.5, rng),
    "noise, cosine .98": lambda x, rng: noisy(x, 0.2 / DIM**0.5, rng),
    "10 % shrink to the mean": lambda x, _: normalise(0.9 * x + 0.1 * x.mean(0)),
    "one coordinate zeroed": lambda x, _: zeroed(x),
    "1 % of rows from another encoder": lambda x, rng: replaced(
        x, 0.01, lambda n: (x[:n] @ rotation(DIM, rng)).astype(np.float32)
    ),
    "all rows from another encoder": lambda x, rng: (x @ rotation(DIM, rng)).astype(np.float32),
    "stored in 4 bits": lambda x, _: quantised(x, 4),
    "collapse to 64 directions": lambda x, _: collapsed(x, 64),
    "2 % of rows constant": lambda x, _: replaced(x, 0.02, lambda n: np.repeat(x[:1], n, axis=0)),
    "a quarter of the rows sent twice": lambda x, _: replaced(x, 0.25, lambda n: x[-n:]),
    "not normalised": lambda x, rng: (x * rng.uniform(2.4, 7, (len(x), 1))).astype(np.float32),
}
"""Ways to go bad, by name: a window of healthy rows in, the window as it would be seen out."""
