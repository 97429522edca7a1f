from dataclasses import replace

import numpy as np
import pytest
import torch
from samples import encoded_again, measured, reference, s1, window
from scipy.stats import binomtest

from detectors.skew import Skew, beyond
from drift.errors import MissingInputsError, TooFewRowsError
from drift.records import Recomputed, Rows

X = s1(64, np.random.default_rng(0))
HELD = reference(s1(200, np.random.default_rng(1)))


def turned(x: np.ndarray, away: float) -> np.ndarray:
    """`x`, unit rows, turned so that 1 - cosine is `away`."""
    aside = np.random.default_rng(2).standard_normal(x.shape)
    aside -= (aside * x).sum(1, keepdims=True) * x / (x * x).sum(1, keepdims=True)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    return (1 - away) * x + np.sqrt(1 - (1 - away) ** 2) * aside


def test_the_same_vectors_have_none():
    m = measured(Skew(), encoded_again(window(X), X), HELD)
    assert (m.value, m.low, m.p_value, m.rows) == (0, 0, None, 64)


def test_half_precision_is_within_the_default_tolerance():
    for dtype in (torch.bfloat16, torch.float16):
        served = torch.from_numpy(X).to(dtype).float().numpy()
        assert measured(Skew(), encoded_again(window(served), X), HELD).value == 0


@pytest.mark.parametrize(("away", "share"), [(2.9e-4, 0), (3.1e-4, 1)])
def test_a_direction_counts_beyond_the_tolerance(away: float, share: float):
    assert measured(Skew(), encoded_again(window(turned(X, away)), X), HELD).value == share


def test_a_direction_counts_whatever_the_length_of_both():
    assert measured(Skew(), encoded_again(window(3 * turned(X, 0.01)), 3 * X), HELD).value == 1


@pytest.mark.parametrize(("factor", "share"), [(1.009, 0), (0.991, 0), (1.011, 1), (0.989, 1), (5, 1)])
def test_a_norm_counts_beyond_its_own_tolerance(factor: float, share: float):
    assert measured(Skew(), encoded_again(window(factor * X), X), HELD).value == share


def test_the_value_is_the_share_of_faulty_rows_with_wilsons_interval():
    served = X.copy()
    served[:5] = turned(X[:5], 0.01)
    m = measured(Skew(), encoded_again(window(served), X[:32]), HELD)
    theirs = binomtest(5, 32).proportion_ci(0.95, method="wilson")
    assert (m.value, m.rows) == (5 / 32, 32)
    assert (m.low, m.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


def test_each_vector_is_held_against_the_served_one_of_its_own_row():
    at = np.random.default_rng(3).permutation(64)[:20]
    of = replace(window(X), recomputed=Recomputed(at, X[at], "encoder"))
    assert measured(Skew(), of, HELD).value == 0


def test_a_vector_that_is_zero_or_not_finite_is_beyond_any_tolerance():
    again = torch.from_numpy(X[:3].copy())
    again[0], again[1, 0] = 0, torch.nan
    assert beyond(torch.from_numpy(X[:3]), again, 10.0, 10.0).tolist() == [True, True, False]


def test_windows_without_enough_inputs_are_refused():
    with pytest.raises(MissingInputsError, match=r"window search .* has none: send `input`"):
        measured(Skew(), window(X), HELD)
    with pytest.raises(TooFewRowsError, match=r"at least 16 rows that were encoded again, .* has 15"):
        measured(Skew(), encoded_again(window(X), X[:15]), HELD)


def test_rows_beyond_are_told_by_their_segments_and_ids_the_furthest_first():
    off = turned(X, 1e-3)
    off[7] = turned(X, 0.5)[7]
    wrong = np.arange(64) % 4 == 3
    ids, lang = tuple(f"q{i}" for i in range(64)), tuple("de" if i % 2 else "en" for i in range(64))
    rows = Rows(np.where(wrong[:, None], off, X).astype(np.float32), ids=ids, segments={"lang": lang})
    index = np.arange(63, -1, -1)
    again = replace(window(X), rows=rows, recomputed=Recomputed(index, X[index].astype(np.float32), "print"))
    kept = measured(Skew(), again, HELD).attribution
    assert (kept.by, kept.p_value, kept.clusters) == ("skew", 0, ())
    assert [(part.name, part.window, part.contribution) for part in kept.segments] == [
        ("lang=de", 0.5, kept.total),
        ("lang=en", 0.5, 0),
    ]
    assert kept.total == 16 / 64
    assert kept.rows[0].id == "q7"
    assert {row.id for row in kept.rows} == {ids[i] for i in np.flatnonzero(wrong)}
    assert all(ids[row.position] == row.id for row in kept.rows)
    assert sum(row.contribution for row in kept.rows) == pytest.approx(kept.total)


def test_where_no_row_is_beyond_nothing_is_taken_apart():
    assert measured(Skew(), encoded_again(window(X), X), HELD).attribution is None
