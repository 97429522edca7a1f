"""The diagnostic of copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import measured, most_by_chance, reference, s1, window

from detectors.duplicates import Duplicates
from drift.config.slos import default_slos
from drift.errors import UnmeasurableError
from drift.slo import Outcome

(OBJECTIVE,) = default_slos(["duplicates"])
PLAIN = reference(s1(500, np.random.default_rng(0)))


def outcome(x: np.ndarray, held=PLAIN) -> Outcome:
    return OBJECTIVE.sli.judge(measured(Duplicates(), window(x), held))


def zipf(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of 5000 inputs, of which some are asked for again and again."""
    chances = 1 / np.arange(1, 5001)
    return TABLE[rng.choice(5000, n, p=chances / chances.sum())]


TABLE = s1(5000, np.random.default_rng(1))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 90), min_size=64, max_size=128))
def test_without_copies_in_the_reference_it_is_the_share_of_rows_that_have_one(of):
    found = measured(Duplicates(), window(TABLE[of]), PLAIN)
    assert found.value == pytest.approx(sum(of.count(i) > 1 for i in of) / len(of))
    assert found.rows == len(of)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda x: x, Outcome.GOOD),
        (lambda x: np.concatenate([x[:246], x[:10]]), Outcome.GOOD),
        (lambda x: np.concatenate([x[:240], x[:16]]), Outcome.BAD),  # one in eight rows has a copy
        (lambda x: np.concatenate([x[:128], x[:128]]), Outcome.BAD),  # half of the traffic is replayed
        (lambda x: np.concatenate([x[:128], x[[0] * 128]]), Outcome.BAD),  # a cache answers half of it with one row
        (lambda x: x[[0] * 256], Outcome.BAD),
    ],
    ids=["healthy", "few", "some", "replayed", "cached", "constant"],
)
def test_the_default_objective_finds_what_repeats_much(fault, expected):
    assert outcome(fault(s1(256, np.random.default_rng(2)))) is expected


def test_popular_inputs_are_healthy_and_a_constant_output_is_bad_among_them_too():
    rng = np.random.default_rng(3)
    held = reference(zipf(5120, rng))
    values = [measured(Duplicates(), window(zipf(256, rng)), held).value for _ in range(100)]
    assert sum(value > 0 for value in values) <= most_by_chance(100, 1 / 201)
    assert np.mean([len(np.unique(zipf(256, rng), axis=0)) for _ in range(5)]) < 200
    assert outcome(zipf(256, rng), held) is Outcome.GOOD
    assert outcome(zipf(256, rng)[[9] * 256], held) is Outcome.BAD
    assert outcome(np.repeat(zipf(128, rng), 2, axis=0), held) is Outcome.BAD
    assert outcome(np.concatenate([zipf(128, rng), zipf(1, rng).repeat(128, axis=0)]), held) is Outcome.BAD


def test_the_chance_of_a_healthy_window_is_one_in_the_draws_and_one():
    rng, detector = np.random.default_rng(4), Duplicates(draws=9)
    beyond = 0
    for _ in range(40):
        held = reference(zipf(1000, rng))
        beyond += sum(measured(detector, window(zipf(64, rng)), held).value > 0 for _ in range(5))
    assert beyond <= 2 * most_by_chance(200, 1 / 10) / 1.5  # windows of one reference go together


def test_a_reference_of_copies_only_is_refused():
    held = reference(np.repeat(s1(3, np.random.default_rng(5)), 5, axis=0))
    with pytest.raises(
        UnmeasurableError, match=r"duplicates needs a reference with rows .* 64 rows drawn from search@"
    ):
        measured(Duplicates(), window(s1(64, np.random.default_rng(6))), held)
    with pytest.raises(ValueError, match="draws >= 1"):
        Duplicates(draws=0)
