"""How many pages a year chance will raise over all objectives: 0.2 a year of one are 80 of 400."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from drift.config import Config
from drift.slo import BudgetingMethod, Calibration, Sli, Slo
from drift.slo.calibration import LEAST, Usual
from drift.slo.false_alarms import FalseAlarms, false_alarms

Calibrations = Mapping[tuple[str, str], Calibration]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of all objectives: of how many, the one that raises most, and where it comes from.

    Of `unknown` objectives it is not known how often chance makes them bad: they judge a value and state no `alpha`, or
    count events and have too few healthy windows on record. `broken` ones have had surely more bad healthy windows than
    their `alpha` allows, and count with the share that they had.
    """

    total: FalseAlarms
    objectives: int
    unknown: int
    broken: int
    worst: str
    most: float

    def __str__(self) -> str:
        parts = [
            f"at most {self.total.pages:.2g} a year by chance, and {self.total.tickets:.2g} false tickets, over "
            f"{self.objectives} objectives of which it is known how often they err"
        ]
        if self.total.pages > 0.01:
            parts.append(f"most of them by {self.worst}: {self.most:.2g}")
        if self.broken:
            parts.append(f"{self.broken} err more often than they say, and count as found (`drift status`)")
        if self.unknown:
            parts.append(
                f"{self.unknown} more are not counted: they judge a value and give no `alpha`, or count events and "
                f"have fewer than {LEAST} healthy windows on record"
            )
        return "; ".join(parts)


def expectation(config: Config, calibrations: Calibrations, usual: Mapping[tuple[str, str], Usual]) -> Expectation:
    """What to expect of `config`, given how its tests did on healthy windows of late, and what was counted in those.

    Slots are taken for independent. Where they are not, as with sessions or traffic that changes by the clock, more of
    them are bad than `alpha`, which calibration finds, and bad ones come together, which nothing here counts.
    """
    slos = list(_slos(config))
    stated = [slo for slo in slos if slo.alpha and slo.method is BudgetingMethod.TIMESLICES]
    rates = {slo: _chance(slo, calibrations.get((slo.stream, slo.name))) for slo in stated}
    each = {slo: _alike(_nameless(slo), chance) for slo, chance in rates.items()}
    for slo in slos:
        found = usual.get((slo.stream, slo.name))
        if slo.method is BudgetingMethod.OCCURRENCES and found is not None and found.chance is not None:
            each[slo] = false_alarms(slo, found.chance, found.share)
    worst = max(each, key=lambda slo: each[slo].pages, default=None)
    return Expectation(
        total=sum(each.values(), FalseAlarms()),
        objectives=len(each),
        unknown=len(slos) - len(each),
        broken=sum(rates[slo] > float(slo.alpha) for slo in stated),
        worst="" if worst is None else f"{worst.stream}/{worst.name}",
        most=0.0 if worst is None else each[worst].pages,
    )


def _nameless(slo: Slo) -> Slo:
    return replace(slo, name="", stream="", sli=Sli(""))


# Most objectives of a large fleet differ in their names alone, and each takes some milliseconds.
_alike = lru_cache(maxsize=1024)(false_alarms)


def _slos(config: Config) -> Iterator[Slo]:
    for stream in config.streams:
        for part in stream.measured_streams:
            yield from config.slos_of(stream, part)


def _chance(slo: Slo, found: Calibration | None) -> float:
    """How often a healthy slot is bad: as promised, unless it surely is not."""
    if found is None or not found.too_many:
        return float(slo.alpha)
    return found.bad / found.windows
