"""The fused kernel against the plain strips: on a GPU where there is one, else in Triton's interpreter."""

import importlib
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest
import torch
from samples import normalise, s1

from detectors.pooled import permuted_mmd2, random_splits
from detectors.strips import Gaussian, Plain, Strips


@pytest.fixture
def fused() -> ModuleType:
    return importlib.import_module("detectors.fused")  # here, so that a machine without Triton can collect the others


@dataclass(frozen=True)
class Widened:
    """Strips of float16 where torch multiplies none into float32."""

    half: Strips

    @property
    def width(self) -> int:
        return self.half.width

    def strip(self, first: int, last: int) -> tuple[torch.Tensor, ...]:
        values, right, down = self.half.strip(first, last)
        return values.float(), right, down


def centred(x: np.ndarray) -> torch.Tensor:
    rows = torch.from_numpy(x.astype(np.float32)).to("cuda" if torch.cuda.is_available() else "cpu")
    return rows - rows.mean(0)


@pytest.mark.parametrize(("k", "d"), [(300, 384), (129, 5), (257, 65), (256, 64)])
@pytest.mark.parametrize(("first", "last"), [(0, 100), (8, 128), (100, 129), (0, 129)])
def test_strips_are_those_of_the_rounded_rows(fused: ModuleType, k: int, d: int, first: int, last: int):
    rng = np.random.default_rng(k)
    rows, kernel = centred(normalise(rng.standard_normal((k, d)))), Gaussian((0.4, 1.7), 0.25)
    half = fused.HalfRows.of(rows, kernel.scales, kernel.level)
    plain = Plain(half.rows.float() * 1.7**0.5, kernel, torch.float32)
    for ours, theirs in zip(half.strip(first, last), plain.strip(first, last), strict=True):
        wide = theirs.shape[-1] if theirs.shape[-1] == k - first else None
        torch.testing.assert_close(ours[..., :wide].float(), theirs, atol=1e-3 if ours.ndim == 2 else 0.02, rtol=0)
        if wide:
            assert not ours[..., wide:].any()
    values, right, down = half.strip(first, last)
    torch.testing.assert_close(right, values.float().sum(1), atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(down, values.float().sum(0), atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize(
    "spoil",
    [lambda x: x, lambda x: x * 1e6, lambda x: x * np.where(np.arange(384) == 5, 60, 1), lambda x: x + 100],
    ids=["unit", "large", "a loud dimension", "mean cosine .9999"],
)
def test_rounding_is_far_below_the_noise(fused: ModuleType, spoil):
    """As case A15: no statistic may move by more than a twentieth of its null standard deviation."""
    rng = np.random.default_rng(1)
    rows = centred(spoil(s1(700, rng)))
    splits = random_splits(rng, 60, 200, 500, rows.device)
    scale = float(torch.pdist(rows).square().median())
    kernel = Gaussian((0.25 * scale, scale), 0.3)
    fine = permuted_mmd2(Plain(rows.double(), kernel, torch.float64), splits)
    half = fused.HalfRows.of(rows, kernel.scales, kernel.level)
    rough = permuted_mmd2(half if rows.is_cuda else Widened(half), splits, 256)
    assert float((rough - fine).abs().max()) < 0.05 * float(fine.std())


def test_rows_too_far_for_float16_are_left_to_the_plain_strips(fused: ModuleType):
    rows = torch.zeros(300, 4)
    rows[:, 0] = torch.arange(300) / 100
    assert fused.HalfRows.of(rows, (1.0,), 0.0) is not None
    rows[7, 0] = 1e5
    assert fused.HalfRows.of(rows, (1.0,), 0.0) is None
