"""Two versions side by side: what is decided of what was counted, and how often that is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from drift.config import Config
from drift.config.problems import problems
from drift.gate.canary import decide
from drift.records import CanaryRule, CanaryState, Tally

RULE = CanaryRule(("probe",), alpha=0.1, margin=0.05)


def simulated(lost: float, gained: float, rng) -> CanaryState:
    """What comes of a trial in which so large shares of the inputs are right on one side only."""
    counts = np.zeros(3, int)
    for _ in range(40):
        counts += rng.multinomial(50, [lost, 1 - lost - gained, gained])
        word = decide((Tally("probe", *map(int, counts)),), RULE)
        if word.state is not CanaryState.WAIT:
            return word.state
    return CanaryState.WAIT


def share(state: CanaryState, lost: float, gained: float, *, runs: int = 200) -> float:
    rng = np.random.default_rng(7)
    return sum(simulated(lost, gained, rng) is state for _ in range(runs)) / runs


@pytest.mark.parametrize("changed", [0.02, 0.2])
def test_without_a_difference_it_is_seldom_ever_rolled_back(changed):
    # At most alpha / 2; three standard deviations of 200 runs are 0.05.
    assert share(CanaryState.ROLL_BACK, changed, changed) <= RULE.alpha / 2 + 0.05


def test_with_a_loss_of_the_margin_it_is_seldom_ever_promoted():
    assert share(CanaryState.PROMOTE, 0.06, 0.01) <= RULE.alpha / 2 + 0.05


def test_a_large_loss_is_rolled_back_and_no_loss_is_promoted_soon():
    assert share(CanaryState.ROLL_BACK, 0.12, 0.02, runs=100) > 0.95
    assert share(CanaryState.PROMOTE, 0.01, 0.01, runs=100) > 0.95


def test_a_signal_of_which_nothing_is_known_keeps_it_waiting():
    rule = replace(RULE, signals=("probe", "novelty"))
    assert decide((Tally("probe", 0, 5000, 0), Tally("novelty")), rule).state is CanaryState.WAIT
    assert decide((Tally("probe", 0, 5000, 0), Tally("novelty", 0, 5000, 0)), rule).state is CanaryState.PROMOTE


def test_one_bad_signal_rolls_back_whatever_the_others_say():
    rule = replace(RULE, signals=("probe", "novelty"))
    word = decide((Tally("probe", 0, 4000, 1000), Tally("novelty", 100, 4900, 0)), rule)
    assert word.state is CanaryState.ROLL_BACK
    assert word.why.startswith("novelty: of 5000 inputs 100 are right with the baseline only, 0 with")


def test_a_loss_within_the_tolerance_is_not_rolled_back():
    tally = (Tally("probe", 150, 4850, 0),)
    assert decide(tally, RULE).state is CanaryState.ROLL_BACK
    assert decide(tally, replace(RULE, tolerance=0.05, margin=0.01)).state is CanaryState.WAIT


STREAM = {"dim": 8, "model": "m", "reference": {"path": "golden.parquet"}}


@pytest.mark.parametrize(
    ("other", "canary", "said"),
    [
        ({"version": "2"}, {}, ()),
        ({"version": "2"}, {"candidate": "c"}, ("'c' is no stream, known are a, b",)),
        ({"version": "1"}, {}, ("needs two versions of one model",)),
        ({"version": "2", "model": "n"}, {}, ("needs two versions of one model",)),
        ({"version": "2", "window": "1m"}, {}, ("needs two versions of one model",)),
        ({"version": "2"}, {"signals": ["skew"]}, ("skew needs an `encoder` on both a and b",)),
    ],
)
def test_streams_that_cannot_be_held_side_by_side_are_refused(other, canary, said):
    streams = [STREAM | {"id": "a", "version": "1"}, STREAM | {"id": "b"} | other]
    config = Config.model_validate({"streams": streams, "canary": [{"baseline": "a", "candidate": "b"} | canary]})
    texts = [text for _, text in problems(config)]
    assert len(texts) == len(said)
    assert all(part in text for part, text in zip(said, texts, strict=True))
