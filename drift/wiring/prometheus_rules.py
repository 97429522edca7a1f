"""The alerts of objectives as rules for Prometheus, for those who want it to decide.

The same decisions on the same integers: bad slots in a look-back are a difference of two readings of a counter. What
must be remembered between evaluations (whether an alert fires, how many verdicts it still has to hold) is recorded, and
read back at the next. Objectives that promise the same share their rules, and the label `policy`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Final

import yaml

from drift.alert import CLEARS_AT, AlertKind
from drift.config import Config
from drift.config.values import format_duration
from drift.errors import ConfigError
from drift.notify.compose import ALERT_NAMES
from drift.slo import INSUFFICIENT_AFTER, NODATA_AFTER, BudgetingMethod, Severity, Slo, Tier

Rule = dict[str, object]
BY: Final = "model_id, job_id, slo"
REMEMBERED: Final = "1d"
"""For how long alerts stay as they are where the service's metrics are gone; `DriftAbsent` tells of it."""


def rules(config: Config) -> str:
    """A rule file in YAML: one group, so that alerts are decided on what was recorded in the same evaluation.

    Objectives that count events are left out, and named: what is usual of them is known to the service alone.
    """
    policies, left_out = _policies(config), sorted(_counting_events(config))
    if not policies:
        raise ConfigError(
            f"every objective counts events, and Prometheus has no rules for those: {', '.join(left_out)}"
        )
    written = [rule for policy in policies for rule in policy.rules()]
    links = _Links(config.runbook_url, config.dashboard_url.rstrip("/"))
    written += _alerts([policy.name for policy in policies], _silent(config), links)
    every = min(timedelta(minutes=1), *(policy.slo.interval for policy in policies))
    group = {"name": "drift", "interval": format_duration(every), "rules": written}
    text = yaml.safe_dump({"groups": [group]}, sort_keys=False, width=110, allow_unicode=True)
    noted = f"# Left out, for they count events, and alerted on by drift alone: {', '.join(left_out)}\n"
    return noted + text if left_out else text


def _counting_events(config: Config) -> set[str]:
    parts = ((stream, part) for stream in config.streams for part in stream.measured_streams)
    slos = (slo for stream, part in parts for slo in config.objectives_of(stream, part))
    return {slo.name for slo in slos if slo.budgeting_method is BudgetingMethod.OCCURRENCES}


def _silent(config: Config) -> tuple[str, ...]:
    """What selects the series of objectives that leave it to others to tell of missing data."""
    parts = ((stream, part) for stream in config.streams for part in stream.measured_streams)
    every = (slo for stream, part in parts for slo in config.slos_of(stream, part))
    return _selectors([slo for slo in every if not slo.tells_missing])


def _policies(config: Config) -> list["_Policy"]:
    found: dict[tuple[object, ...], list[Slo]] = {}
    for stream in config.streams:
        for part in stream.measured_streams:
            for slo in config.slos_of(stream, part):
                if slo.method is BudgetingMethod.OCCURRENCES:
                    continue
                terms = (slo.target, slo.period, slo.interval, slo.tiers)
                found.setdefault(terms, []).append(slo)
    named: dict[str, list[Slo]] = {}
    for slos in found.values():
        slo = slos[0]
        name = f"{float(slo.target):g} of {format_duration(slo.interval)} over {format_duration(slo.period)}"
        unique = next(n for n in (name, *(f"{name}, {i}" for i in range(2, len(found) + 1))) if n not in named)
        named[unique] = slos
    return [_Policy(name, slos[0], _selectors(slos)) for name, slos in named.items()]


def _selectors(slos: Sequence[Slo]) -> tuple[str, ...]:
    """What selects the series of `slos`: one for each name of an objective, with its streams."""
    streams: dict[str, list[str]] = {}
    for slo in slos:
        streams.setdefault(slo.name, []).append(slo.stream)
    return tuple(f"slo={_text(name)},job_id=~{_text('|'.join(map(re.escape, jobs)))}" for name, jobs in streams.items())


def _text(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)  # Prometheus escapes strings as JSON does


@dataclass(frozen=True, slots=True)
class _Policy:
    """Writes the rules of all objectives that `slo` stands for."""

    name: str
    slo: Slo
    selectors: tuple[str, ...]

    def rules(self) -> Iterator[Rule]:
        """In the order in which they need one another."""
        yield self._record("drift:verdicts", self._exported("drift_evaluations_total"))
        yield self._record("drift:bad_verdicts", self._exported("drift_evaluations_bad_total"))
        yield self._record("drift:budget_remaining", self._exported("drift_error_budget_remaining_ratio"))
        yield from self._look_backs()
        yield from self._last_bad()
        for tier in self.slo.tiers:
            yield self._tier(tier)
        for severity in dict.fromkeys(tier.rule.severity for tier in self.slo.tiers):
            yield from self._firing(severity)
        yield self._exhausted()
        yield self._record("drift:verdicts:seen", self._now("drift:verdicts"))

    def _record(self, name: str, expr: str, **labels: str) -> Rule:
        return {"record": name, "expr": expr, "labels": {"policy": self.name} | labels}

    def _exported(self, metric: str) -> str:
        # Replicas export the same numbers from the same database.
        return f"max by ({BY}) ({' or '.join(f'{metric}{{{selector}}}' for selector in self.selectors)})"

    def _now(self, name: str, **labels: str) -> str:
        more = "".join(f",{label}={_text(value)}" for label, value in labels.items())
        return f"{name}{{policy={_text(self.name)}{more}}}"

    def _before(self, name: str, **labels: str) -> str:
        """What was recorded at the evaluation before, as long as it is remembered; at first 0."""
        recorded = f"last_over_time({self._now(name, **labels)}[{REMEMBERED}])"
        recorded = f"max without (severity) ({recorded})" if labels else recorded
        return f"({recorded} or {self._now('drift:verdicts')} * 0)"

    def _look_backs(self) -> Iterator[Rule]:
        for back in dict.fromkeys(back for tier in self.slo.tiers for back in (tier.long, tier.short)):
            length, metric = format_duration(back), "drift_evaluations_bad_total"
            # A series that is younger than the look-back began it with its first sample.
            first = f"max by ({BY}) (min_over_time({metric}[{length}]))"
            then = f"(max by ({BY}) ({metric} offset {length}) or {first})"
            yield self._record(f"drift:bad_slots:{length}", f"{self._now('drift:bad_verdicts')} - on ({BY}) {then}")
            allowed = self.slo.budget * Fraction(back / self.slo.interval)
            burn = f"{self._now(f'drift:bad_slots:{length}')} / {_number(allowed)}"
            yield self._record(f"drift:burn_rate:{length}", burn)

    def _last_bad(self) -> Iterator[Rule]:
        """How many verdicts there were at the last bad one."""
        verdicts, bad = self._now("drift:verdicts"), self._now("drift:bad_verdicts")
        fresh = f"({verdicts} and {bad} > {self._before('drift:bad_verdicts:seen')})"
        yield self._record("drift:verdicts:last_bad", f"{fresh} or {self._before('drift:verdicts:last_bad')}")
        yield self._record("drift:bad_verdicts:seen", bad)

    def _tier(self, tier: Tier) -> Rule:
        """For how many verdicts an alert must hold after this one, 0 where the tier is not true."""
        long, short = format_duration(tier.long), format_duration(tier.short)
        parts = [
            f"({self._now(f'drift:bad_slots:{long}')} >= bool {tier.bad_long})",
            f"({self._now(f'drift:bad_slots:{short}')} >= bool {tier.bad_short})",
        ]
        horizon = tier.rule.horizon
        if horizon is not None and Fraction(self.slo.period / horizon) > tier.threshold:  # else it says nothing new
            share = _number(Fraction(self.slo.period / horizon))
            left = f"clamp_min({self._now('drift:budget_remaining')}, 0) * {share}"
            parts.append(f"({left} <= bool {self._now(f'drift:burn_rate:{long}')})")
        labels = {"severity": str(tier.rule.severity), "tier": tier.rule.name}
        return self._record("drift:hold", f"{tier.slots_short} * {' * '.join(parts)}", **labels)

    def _firing(self, severity: Severity) -> Iterator[Rule]:
        """Whether an alert fires: it begins with a true tier, and ends after its hold and two good verdicts."""
        label, verdicts = {"severity": str(severity)}, self._now("drift:verdicts")
        due = f"max without (severity, tier) ({self._now('drift:hold', **label)})"
        fresh = f"({verdicts} + ({due} > 0))"
        yield self._record("drift:hold:until", f"{fresh} or {self._before('drift:hold:until', **label)}", **label)
        until = f"max without (severity) ({self._now('drift:hold:until', **label)})"
        calm = f"({verdicts} - {self._now('drift:verdicts:last_bad')} >= bool 2)"
        ends = f"({verdicts} >= bool {until}) * {calm}"
        before = self._before("drift:firing", **label)
        yield self._record("drift:firing", f"clamp_max(({due} > bool 0) + {before} * (1 - {ends}), 1)", **label)

    def _exhausted(self) -> Rule:
        left, verdicts = self._now("drift:budget_remaining"), self._now("drift:verdicts")
        fresh = f"({verdicts} > bool {self._before('drift:verdicts:seen')})"
        ends = f"({left} >= bool {_number(CLEARS_AT)}) * {fresh}"
        before = self._before("drift:exhausted")
        return self._record("drift:exhausted", f"clamp_max(({left} <= bool 0) + {before} * (1 - {ends}), 1)")


def _alerts(policies: Sequence[str], silent: Sequence[str], links: "_Links") -> Iterator[Rule]:
    here = f"policy=~{_text('|'.join(map(re.escape, policies)))}"
    for kind, severity in ((AlertKind.PAGE, Severity.PAGE), (AlertKind.TICKET, Severity.TICKET)):
        firing = f"last_over_time(drift:firing{{{here},severity={_text(severity)}}}[{REMEMBERED}])"
        yield _alert(kind, f"max by ({BY}) ({firing}) == 1", "burns its error budget too fast", links)
    gone = f"max by ({BY}) (last_over_time(drift:exhausted{{{here}}}[{REMEMBERED}])) == 1"
    yield _alert(AlertKind.EXHAUSTED, gone, "has no error budget left", links)
    others = " or ".join(f"drift_missing_windows{{{selector}}}" for selector in silent)
    told = f"drift_missing_windows unless ({others})" if silent else "drift_missing_windows"
    missing = f"max by ({BY}) ({told}) >= {NODATA_AFTER}"
    yield _alert(AlertKind.NODATA, missing, "gets no data: nothing is known about it", links)
    few = f"max by ({BY}) (drift_insufficient_windows) >= {INSUFFICIENT_AFTER}"
    yield _alert(AlertKind.INSUFFICIENT, few, "gets too few rows for a verdict", links)
    says = "drift cannot be scraped, or cannot read its database: its alerts are those of before"
    labels = {"severity": str(Severity.TICKET), "service": "drift"}
    absent = {"alert": "DriftAbsent", "expr": "absent(drift_up == 1)", "for": "5m"}
    yield absent | {
        "labels": labels,
        "annotations": {"summary": says, "runbook_url": links.runbook.replace("{alert}", "DriftAbsent")},
    }


@dataclass(frozen=True, slots=True)
class _Links:
    """Where the pages on alerts are, `{alert}` standing for their names, and the dashboard."""

    runbook: str
    dashboard: str


def _alert(kind: AlertKind, expr: str, says: str, links: _Links) -> Rule:
    summary = f"{{{{ $labels.job_id }}}}: objective {{{{ $labels.slo }}}} {says}"
    labels = {"severity": str(kind.severity), "service": "drift"}
    name = ALERT_NAMES[kind]
    notes = {
        "summary": summary,
        "description": "".join(DESCRIPTION),
        "dashboard_url": f"{links.dashboard}/stream?stream={{{{ $labels.job_id | urlquery }}}}",
        "runbook_url": links.runbook.replace("{alert}", name),
    }
    return {"alert": name, "expr": expr, "labels": labels, "annotations": notes}


def _asked(metric: str, more: str, said: str) -> str:
    """A sentence on a metric of the objective, left out where Prometheus has none."""
    series = f"max({metric}{{job_id=%q,slo=%q{more}}})"
    return f"{{{{ with query (printf `{series}` $labels.job_id $labels.slo) }}}}{said} {{{{ end }}}}"


DESCRIPTION: Final = (
    _asked(
        "drift_burn_rate_ratio",
        ',look_back="long"',
        "The budget burns {{ . | first | value | humanize }} times as fast as it may.",
    ),
    _asked("drift_error_budget_remaining_ratio", "", "{{ . | first | value | humanizePercentage }} of it is left."),
)
"""Templates of Prometheus, with what drift itself exports."""


def _number(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else repr(float(value))
