"""The examples for CI: they parse, and what they ask of `drift gate` is there."""

import shlex
from pathlib import Path

import pytest
import typer
import yaml

from drift.cli import app

CI = Path(__file__).resolve().parents[1] / "examples" / "ci"


def steps(name: str) -> list[str]:
    """What the example runs, in order."""
    found = yaml.safe_load((CI / name).read_text())
    if name == "github.yml":
        return [step["run"] for step in found["jobs"]["gate"]["steps"] if "run" in step]
    job = found["drift-gate"]
    return [*job["before_script"], *job["script"], *job["after_script"]]


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_example_runs_the_gate_with_options_that_it_has_and_posts_the_report(name):
    runs = steps(name)
    (asked,) = (shlex.split(run) for run in runs if run.startswith("drift "))
    gate = typer.main.get_command(app).commands["gate"]
    with gate.make_context("gate", asked[2:]) as context:
        given = context.params
    assert asked[:2] == ["drift", "gate"]
    assert all(given[name] for name in ("baseline", "candidate", "probe", "thresholds", "markdown", "html"))
    places = [i for i, run in enumerate(runs) if str(given["markdown"]) in run]
    assert len(places) == 2
    assert places[0] < places[1]


def test_there_is_no_example_that_nobody_checks():
    assert {path.name for path in CI.iterdir()} == {"github.yml", "gitlab.yml"}
