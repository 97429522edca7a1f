"""OpenSLO documents: what drift can say in them, and what it understands."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from drift.cli import app
from drift.config import Config, load
from drift.slo import Slo

CONFIG = """\
streams:
  - {id: search, model: m, dim: 8, reference: {path: g.parquet}, segments: {lang: [de]}, merge: [3]}
  - {id: docs_2.x, model: m, dim: 8, reference: {path: g.parquet}, window: 90m, merge: []}
"""
OWN = """\
slos:
  - name: traffic
    detector: joint
    p_value_at_least: 0.002
    alpha: 0.003
    target: 0.98
    period: 28d
    retrain: false
    calibrate: windows
    effect_at_least: 0
    streams: [docs_2.x]
    rules: [{name: r, severity: page, factor: 7.5, long: 1d, short: 2h, horizon: 72h}]
  - {name: narrow, detector: effective_rank, value_at_least: 0.9, value_at_most: 1.1}
  - {name: loose, detector: valid_ratio, value_at_least: 0.5, target: 0.94}
  - {name: rows, detector: novelty, budgeting_method: Occurrences, target: 0.97, alpha: 0.005}
"""
FOREIGN = """\
apiVersion: openslo/v1
kind: Service
metadata: {name: web}
spec: {}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: up}
spec:
  ratioMetric:
    good: {metricSource: {type: Prometheus, spec: {query: "sum(rate(x{code!~'5..'}[${window}]))"}}}
    total: {metricSource: {type: Prometheus, spec: {query: "sum(rate(x[5m]))"}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: web
  indicatorRef: up
  timeWindow: [{duration: 4w, isRolling: true}]
  budgetingMethod: Timeslices
  objectives: [{targetPercent: 99.5, timeSliceTarget: 0.99, timeSliceWindow: 10}]
"""


def drift(*words: str | Path):
    return CliRunner().invoke(app, ["slo", *map(str, words)])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def objectives(config: Config) -> list[Slo]:
    return sorted(
        (slo for stream in config.streams for slo in config.slos_of(stream, stream.stream)),
        key=lambda slo: (slo.stream, slo.name),
    )


def test_objectives_come_back_as_they_were(tmp_path):
    file = write(tmp_path / "drift.yaml", CONFIG + OWN)
    documents = write(tmp_path / "openslo.yaml", drift("export", file).stdout)
    back = drift("import", documents)
    assert back.exit_code == 0, back.output
    again = write(tmp_path / "again.yaml", CONFIG + back.stdout)
    assert objectives(load(again)) == objectives(load(file))
    assert [slo["name"] for slo in yaml.safe_load(back.stdout)["slos"]] == ["narrow", "loose", "rows", "traffic"]


def test_an_objective_is_said_in_the_words_of_openslo_as_far_as_it_has_them(tmp_path):
    documents = list(yaml.safe_load_all(drift("export", write(tmp_path / "drift.yaml", CONFIG + OWN)).stdout))
    assert {(d["apiVersion"], d["kind"]) for d in documents} == {("openslo/v1", "SLO")}
    names = [d["metadata"]["name"] for d in documents]
    assert len(set(names)) == len(names)
    found = documents[names.index("docs-2-x-traffic")]
    spec = found["spec"]
    assert spec["service"] == "docs_2.x"
    assert spec["timeWindow"] == [{"duration": "28d", "isRolling": True}]
    assert spec["budgetingMethod"] == "Timeslices"
    assert spec["objectives"] == [
        {"op": "gte", "value": 0.002, "target": 0.98, "timeSliceTarget": 1.0, "timeSliceWindow": "90m"}
    ]
    rows = documents[names.index("search-rows")]["spec"]
    assert (rows["budgetingMethod"], rows["objectives"]) == ("Occurrences", [{"target": 0.97}])
    source = spec["indicator"]["spec"]["thresholdMetric"]["metricSource"]
    assert (source["type"], source["spec"]["detector"], source["spec"]["quantity"]) == ("drift", "joint", "p_value")
    assert found["metadata"]["annotations"]["drift/alpha"] == "0.003"


def test_slots_of_seconds_cannot_be_said(tmp_path):
    done = drift("export", write(tmp_path / "drift.yaml", CONFIG.replace("90m", "90s")))
    assert done.exit_code == 1
    assert "OpenSLO counts whole minutes" in done.stderr


def test_any_slices_can_be_simulated_whatever_they_measure(tmp_path):
    file = write(tmp_path / "openslo.yaml", FOREIGN)
    page, ticket = json.loads(drift("simulate", "--slo", file, "--sequence", "B*4", "--json").stdout)
    # A burn of 13.44 in an hour's 6 slots is less than one of them at 0.995: three must be bad all the same.
    assert (page["minute"], page["state"], page["tier"]) == (30, "page", "fast")
    # In 3 days' 432 slots 2.016 are 0.93 times what may be.
    assert (ticket["minute"], ticket["state"], ticket["inhibited"]) == (30, "ticket", True)


def test_what_drift_does_not_measure_is_not_imported(tmp_path):
    done = drift("import", write(tmp_path / "openslo.yaml", FOREIGN))
    assert done.exit_code == 1
    assert "type: drift" in done.stderr


@pytest.mark.parametrize(
    ("word", "other", "says"),
    [
        ("Timeslices", "RatioTimeslices", "or Occurrences"),
        (", timeSliceWindow: 10", "", "need a `timeSliceWindow`"),
        ("isRolling: true", "isRolling: false", "write `isRolling: true`"),
        ("duration: 4w", "duration: 1M", "a number of days"),
        ("targetPercent: 99.5,", "", "either `target` or `targetPercent`"),
        ("kind: SLO", "kind: AlertPolicy", "no document of kind SLO"),
        ("indicatorRef: up", "indicatorRef: down", "'down', which is not in the file"),
        ("service: web", "servic: web", "openslo.yaml:18: spec.servic: is not a known key"),
        ("targetPercent", "target", "would be 99.5 percent"),
    ],
)
def test_what_means_something_else_is_refused(tmp_path, word, other, says):
    done = drift("simulate", "--sequence", "G", "--slo", write(tmp_path / "openslo.yaml", FOREIGN.replace(word, other)))
    assert done.exit_code == 1
    assert says in " ".join(done.stderr.split())


def document(annotations: str = "{}", goal: str = "", detector: str = "joint", more: str = "") -> str:
    spec = f"{{detector: {detector}, quantity: p_value{more}}}"
    return (
        f"apiVersion: openslo/v1\nkind: SLO\nmetadata: {{name: mine, annotations: {annotations}}}\n"
        "spec:\n  budgetingMethod: Timeslices\n  timeWindow: [{duration: 30d, isRolling: true}]\n"
        f"  objectives: [{{op: gte, value: 0.001, target: 0.95, timeSliceWindow: 5m{goal}}}]\n"
        "  indicator: {metadata: {name: i}, spec: {thresholdMetric: {metricSource: {type: drift, spec: "
        f"{spec}}}}}}}}}\n"
    )


def test_a_whole_slice_and_the_annotations_of_drift_are_imported(tmp_path):
    notes = """{drift/alpha: "0.002", drift/retrain: "false", team/owner: anna}"""
    done = drift("import", write(tmp_path / "openslo.yaml", document(notes, ", timeSliceTarget: 1")))
    (slo,) = yaml.safe_load(done.stdout)["slos"]
    assert (slo["name"], slo["alpha"], slo["retrain"]) == ("mine", 0.002, False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (document(goal=", timeSliceTarget: 0.5"), "`timeSliceTarget: 0.5`: a slot of drift is good or bad as a whole"),
        (document('{drift/alhpa: "0.01"}'), "annotation drift/alhpa: is not known; known are drift/alpha"),
        (document('{drift/alpha: "1.5"}'), "annotation drift/alpha: 1.5 is not a ratio in (0, 1)"),
        (document('{drift/retrain: "no"}'), "annotation drift/retrain: 'no' is neither 'true' nor 'false'"),
        (document("{drift/rules: '[{'}"), "annotation drift/rules: is not JSON, a list of rules"),
        (document("{drift/rules: '5'}"), "annotation drift/rules: 5: needs a list"),
        (document("{drift/rules: 'null'}"), "annotation drift/rules: None: needs a list"),
        (document("{drift/rules: '\"x\"'}"), "annotation drift/rules: 'x': needs a list"),
        (document("{drift/rules: '[]'}"), "annotation drift/rules: without rules nobody is told"),
        (
            document(
                """{drift/rules: '[{"name": "r", "severity": "page", "factr": 6, "long": "1h", "short": "5m"}]'}"""
            ),
            "annotation drift/rules: 0.factor: is required",
        ),
        (document(detector="jiont"), "detector 'jiont' is not known; did you mean 'joint'?"),
        (document(more=", p_value_at_lest: 0.1"), "p_value_at_lest: is not a known key; did you mean `p_value_at_le"),
        (document(more=", effect_at_least: -1"), "effect_at_least: -1: Input should be greater than or equal to 0"),
    ],
)
def test_what_would_be_lost_on_import_is_refused_in_words(tmp_path, text, says):
    done = drift("import", write(tmp_path / "openslo.yaml", text))
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.strip().splitlines()
    assert "openslo.yaml:1: SLO 'mine': " in line
    assert says in line
