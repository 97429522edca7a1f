"""Pass, warn or fail, and why: the cause first where it has a name, then the checks, the gravest first."""

from dataclasses import dataclass
from typing import Final

from drift.gate.checks import Check, capitals, checks, costs
from drift.gate.embedded import Cost, Embedded
from drift.gate.thresholds import Thresholds, Verdict
from drift.records import Cause

GRAVITY: Final = (Verdict.FAIL, Verdict.WARN, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Decision:
    """All checks on `rows` inputs, and the cause of the difference, None where there is none or it has no name.

    `notes` are sentences on what the checks do not say.
    """

    rows: int
    checks: tuple[Check, ...]
    cause: Cause | None = None
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """That of the gravest check."""
        return min((check.verdict for check in self.checks), key=GRAVITY.index)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not pass, the first being what to look at first; empty where it passes.

        A segment is named where it comes to a graver verdict than all inputs together do.
        """
        if self.verdict is Verdict.PASS:
            return ()
        named = (f"{self.cause.cause}: {self.cause.evidence}",) if self.cause else ()
        whole = {check.name: check.verdict for check in self.checks if not check.segment}
        wrong = [
            check
            for check in self.checks
            if check.verdict is not Verdict.PASS
            and (not check.segment or GRAVITY.index(check.verdict) < GRAVITY.index(whole[check.name]))
        ]
        return (*named, *(check.words for check in sorted(wrong, key=lambda check: GRAVITY.index(check.verdict))))


def decide(
    of: Embedded,
    limits: Thresholds,
    *,
    baseline: Cost | None = None,
    candidate: Cost | None = None,
    alike_in_capitals: float | None = None,
    cause: Cause | None = None,
    seed: int = 0,
) -> Decision:
    """Whether the candidate may take the baseline's place. `seed` decides the probe's folds.

    `alike_in_capitals` is the share of inputs that two tokenizers cut alike in capitals; None: not known.

    Raises:
        TooFewRowsError: fewer than 32 inputs have both vectors.
        UnmeasurableError: the baseline's vectors are all equal.
    """
    spent = costs(baseline or Cost(), candidate or Cost(), limits)
    cased = () if alike_in_capitals is None else (capitals(alike_in_capitals, limits),)
    return Decision(len(of), (*checks(of, limits, seed), *cased, *spent), cause)
