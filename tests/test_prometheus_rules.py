"""`drift rules`: what Prometheus makes of the very sequences that the engine is held to. Asks for Debian's promtool."""

import subprocess
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import pytest
import yaml
from peers import find_or_skip
from typer.testing import CliRunner

from drift.alert import AlertState
from drift.cli import app
from drift.config import load
from drift.notify.compose import ALERT_NAMES
from drift.simulation import Tick, made_up, simulate
from drift.slo import Outcome, Slo, parse_sequence

CONFIG = """\
streams:
  - {{id: search, model: m, dim: 8, reference: {{path: g.parquet}}, window: {window}, merge: [], segments: {segments}}}
slos:
  - {{name: traffic, detector: joint, p_value_at_least: 0.01, target: {target}}}
"""


def rule_file(folder: Path, window: str = "5m", target: str = "0.95", segments: str = "{}") -> Slo:
    """Write the rules of a configuration; return its objective on all traffic."""
    (folder / "drift.yaml").write_text(CONFIG.format(window=window, target=target, segments=segments))
    done = CliRunner().invoke(app, ["rules", str(folder / "drift.yaml")])
    assert done.exit_code == 0, done.output
    (folder / "rules.yml").write_text(done.stdout)
    config = load(folder / "drift.yaml")
    (stream,) = config.streams
    return next(slo for slo in config.slos_of(stream, stream.stream) if slo.name == "traffic")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    binary = find_or_skip("promtool", "prometheus")
    return subprocess.run([binary, *map(str, words)], capture_output=True, text=True, check=False)


def run_of(ticks: Sequence[Tick], outcome: Outcome) -> list[int]:
    """How many slots in a row, up to each, are of that outcome; planned maintenance neither counts nor breaks it."""
    step = {outcome: lambda run: run + 1, Outcome.EXCLUDED: lambda run: run}
    found, run = [], 0
    for tick in ticks:
        run = step.get(tick.slot.outcome, lambda _: 0)(run)
        found.append(run)
    return found


def exported(ticks: Sequence[Tick], first: int, labels: str, scrapes: int) -> Iterator[dict[str, str]]:
    """What is scraped, `scrapes` times from the end of each slot on; `first` verdicts were there before."""
    metrics = {
        "drift_evaluations_total": accumulate((t.slot.outcome.is_verdict for t in ticks), initial=first),
        "drift_evaluations_bad_total": accumulate((t.slot.outcome is Outcome.BAD for t in ticks), initial=first // 9),
        "drift_error_budget_remaining_ratio": [1.0, *(float(t.budget.remaining) for t in ticks)],
        "drift_missing_windows": [0, *run_of(ticks, Outcome.MISSING)],
        "drift_insufficient_windows": [0, *run_of(ticks, Outcome.INSUFFICIENT)],
    }
    for name, values in metrics.items():
        repeated = [str(float(value)) for value in values for _ in range(scrapes)]
        yield {"series": f"{name}{{{labels}}}", "values": " ".join(repeated)}
    yield {"series": "drift_up", "values": " ".join("1" for _ in range(scrapes * (len(ticks) + 1)))}


def firing(ticks: Sequence[Tick]) -> list[set[tuple[str, str]]]:
    """Name and severity of the alerts that fire after each slot."""
    now: set[tuple[str, str]] = set()
    found = []
    for tick in ticks:
        for one in tick.transitions:
            name = (ALERT_NAMES[one.alert.kind], str(one.alert.kind.severity))
            now = now | {name} if one.alert.state is AlertState.FIRING else now - {name}
        found.append(now)
    return found


NAMES = sorted({(ALERT_NAMES[kind], str(kind.severity)) for kind in ALERT_NAMES})
LABELS = {"model_id": "m", "job_id": "search", "slo": "traffic"}


def agree(folder: Path, slo: Slo, sequence: str, scrapes: int = 1) -> subprocess.CompletedProcess[str]:
    """Whether after each slot just those alerts fire that the engine says; promtool's words where not."""
    ticks = list(simulate(slo, made_up(slo, parse_sequence(sequence))))
    labels = ",".join(f'{name}="{value}"' for name, value in (LABELS | {"instance": "a"}).items())
    every = f"{int(slo.interval.total_seconds()) // scrapes}s"
    tests = []
    for i, expected in enumerate(firing(ticks), 1):
        for name, severity in NAMES:
            expr = f'ALERTS{{alertname="{name}",severity="{severity}",alertstate="firing"}}'
            shown = f'alertname="{name}",alertstate="firing",job_id="search",model_id="m",service="drift"'
            samples = [{"labels": f'ALERTS{{{shown},severity="{severity}",slo="traffic"}}', "value": 1}]
            at = f"{i * int(slo.interval.total_seconds())}s"
            tests.append(
                {"expr": expr, "eval_time": at, "exp_samples": samples if (name, severity) in expected else []}
            )
    case = {"interval": every, "input_series": list(exported(ticks, 90, labels, scrapes)), "promql_expr_test": tests}
    content = {"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": [case]}
    (folder / "test.yml").write_text(yaml.safe_dump(content))
    return promtool("test", "rules", folder / "test.yml")


@pytest.mark.parametrize("segments", ["{}", "{lang: [de, 'a|b.c\"']}"])
def test_promtool_finds_no_fault(tmp_path, segments):
    rule_file(tmp_path, segments=segments)
    done = promtool("check", "rules", "--lint-fatal", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_objectives_that_count_events_are_named_and_left_out(tmp_path):
    config = CONFIG.format(window="5m", target="0.95", segments="{}")
    config += "  - {name: rows, detector: valid_ratio, budgeting_method: Occurrences}\n"
    (tmp_path / "drift.yaml").write_text(config)
    text = CliRunner().invoke(app, ["rules", str(tmp_path / "drift.yaml")]).stdout
    first, _, rules = text.partition("\n")
    assert first.endswith("alerted on by drift alone: rows")
    assert 'slo="rows"' not in rules
    assert 'slo="traffic"' in rules


def test_an_alert_says_how_fast_the_budget_burns_and_what_is_left_and_leads_to_its_stream(tmp_path):
    config = CONFIG.format(window="5m", target="0.95", segments="{}") + "dashboard_url: http://dash/\n"
    (tmp_path / "drift.yaml").write_text(config)
    (tmp_path / "rules.yml").write_text(CliRunner().invoke(app, ["rules", str(tmp_path / "drift.yaml")]).stdout)
    of = 'model_id="m",job_id="search",slo="traffic"'
    rows = [
        {"series": f"drift_missing_windows{{{of}}}", "values": "9"},
        {"series": f'drift_burn_rate_ratio{{{of},look_back="long"}}', "values": "20.5"},
        {"series": f"drift_error_budget_remaining_ratio{{{of}}}", "values": "0.335"},
    ]
    labels = {"job_id": "search", "model_id": "m", "service": "drift", "severity": "ticket", "slo": "traffic"}
    notes = {
        "summary": "search: objective traffic gets no data: nothing is known about it",
        "description": "The budget burns 20.5 times as fast as it may. 33.5% of it is left. ",
        "dashboard_url": "http://dash/stream?stream=search",
        "runbook_url": "http://127.0.0.1:8600/runbook/EvaluationMissing",
    }
    told = {"exp_labels": labels, "exp_annotations": notes}
    asked = {"eval_time": "0s", "alertname": "EvaluationMissing", "exp_alerts": [told]}
    tests = [{"interval": "1m", "input_series": rows, "alert_rule_test": [asked]}]
    (tmp_path / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], "tests": tests}))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_missing_merged_windows_are_told_by_single_ones_alone(tmp_path):
    config = CONFIG.format(window="5m", target="0.95", segments="{}").replace("merge: []", "merge: [3]")
    (tmp_path / "drift.yaml").write_text(config)
    (tmp_path / "rules.yml").write_text(CliRunner().invoke(app, ["rules", str(tmp_path / "drift.yaml")]).stdout)
    names = ("traffic", "slow-drift-x3")
    rows = [
        {"series": f'drift_missing_windows{{model_id="m",job_id="search",slo="{name}"}}', "values": "9"}
        for name in names
    ]
    labels = 'alertname="EvaluationMissing",alertstate="firing",job_id="search",model_id="m",service="drift"'
    told = {"labels": f'ALERTS{{{labels},severity="ticket",slo="traffic"}}', "value": 1}
    asked = {"expr": 'ALERTS{alertname="EvaluationMissing"}', "eval_time": "0s", "exp_samples": [told]}
    content = {
        "rule_files": ["rules.yml"],
        "tests": [{"interval": "1m", "input_series": rows, "promql_expr_test": [asked]}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_says_what_it_is_about_and_where_to_read_on(tmp_path):
    rule_file(tmp_path)
    (group,) = yaml.safe_load((tmp_path / "rules.yml").read_text())["groups"]
    alerts = [rule for rule in group["rules"] if "alert" in rule]
    assert {rule["alert"] for rule in alerts} == {*ALERT_NAMES.values(), "DriftAbsent"}
    page = "http://127.0.0.1:8600/runbook/"
    assert all(rule["annotations"]["runbook_url"] == page + rule["alert"] for rule in alerts)
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in alerts)


SEQUENCES = [
    "B*60",
    "B*9,G*50",
    "B*8,G*60",
    "(B,G)*100",
    "B*9,(G,B)*5,G*60",
    "B*9,M*13,G*50",
    "M*40,G",
    "GGGGGM,G*9",
    "S*12,B*9,S,G*9",
    "I*14,G*3",
    "B*4,M*3,B*5,G*20",
    "B*24,G*80,B*9,G*90",
]


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_prometheus_decides_as_the_engine_does(tmp_path, sequence):
    done = agree(tmp_path, rule_file(tmp_path), sequence)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_does_so_whenever_it_is_asked_between_slots(tmp_path):
    done = agree(tmp_path, rule_file(tmp_path), "B*9,M*4,G,B,G*50", scrapes=5)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("window", "sequence"), [("30m", "B*10,G*6"), ("1h", "B*3,G*5"), ("1d", "B*3,G*40")])
def test_prometheus_decides_as_the_engine_does_on_longer_slots(tmp_path, window, sequence):
    done = agree(tmp_path, rule_file(tmp_path, window), sequence)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_differs_is_found(tmp_path):
    """So that agreement means something: the rules of a lower target fire later."""
    slo = rule_file(tmp_path)
    rule_file(tmp_path, target="0.94")
    assert agree(tmp_path, slo, "B*9,G*9").returncode != 0
