"""What two versions side by side come to: promote, keep waiting, or roll back. It may be asked after every window."""

from dataclasses import dataclass, replace
from typing import Final

from detectors import PairedSequence
from drift.records import CanaryRule, CanaryState, Tally

WAITING: Final = "not enough is known yet"


@dataclass(frozen=True, slots=True)
class Word:
    """What is to be done, and why."""

    state: CanaryState
    why: str


def decide(tallies: tuple[Tally, ...], rule: CanaryRule) -> Word:
    """The word on what was counted so far.

    While no signal is right less often than by `tolerance`, ROLL_BACK comes with a chance of at most alpha / 2, at any
    time; while some signal loses `margin` or more, PROMOTE does. A signal of which nothing is known keeps it waiting.
    """
    sequences = [(tally, _sequence(tally, rule)) for tally in tallies]
    for tally, sequence in sequences:
        if sequence.loss_shown:
            return Word(
                CanaryState.ROLL_BACK,
                f"{tally.name}: of {tally.rows} inputs {tally.lost} are right with the baseline only, {tally.gained} "
                f"with the candidate only; the loss is at least {-sequence.upper:.4f}",
            )
    if all(sequence.rules_out(rule.margin) for _, sequence in sequences):
        most = ", ".join(f"{tally.name} at most {max(0.0, -sequence.lower):.4f}" for tally, sequence in sequences)
        return Word(CanaryState.PROMOTE, f"a loss of {rule.margin:g} is ruled out: {most}")
    return Word(CanaryState.WAIT, WAITING)


def known(tally: Tally, rule: CanaryRule) -> Tally:
    """The tally with what it says of the true difference."""
    found = _sequence(tally, rule)
    return replace(tally, low=found.lower, high=found.upper)


def _sequence(tally: Tally, rule: CanaryRule) -> PairedSequence:
    """Each signal has its part of `alpha`: with several, one of them would sooner be wrong (Bonferroni)."""
    part = rule.alpha / len(rule.signals)
    return PairedSequence(part, rule.tolerance, tally.lost, tally.same, tally.gained)
