"""What `drift compare` says: of where a change comes from, of how much it is, and of what is wrong with a call."""

import re
from dataclasses import replace

import pytest
from test_compare import N, Request, compare, drift, folder, healthy, write

from drift.wiring import compare_command
from drift.wiring.compare import LEAST, PANEL_PART, Comparison
from drift.wiring.compare_report import MOST_GROUPS, as_json, grids

__all__ = ["folder"]  # the fixture of test_compare

MOVED_ROWS = 3


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Comparison:
    """Three rows far out in different directions: too few for MMD."""
    folder = tmp_path_factory.mktemp("compare")
    x = healthy(N, 1)
    x[0, 5], x[1, 9], x[2, 12] = 9, -9, 9
    return compare(Request(write(folder / "ref.npy", healthy(4000, 0)), write(folder / "few.npy", x)), nulls=200)


def test_rows_that_mmd_does_not_see_are_named_by_the_statistic_that_does(found: Comparison):
    told = as_json(found)["attribution"]
    assert told["by"] in {"novelty", "mahalanobis_mean", "mahalanobis_sd"}
    assert {row["id"] for row in told["rows"][:MOVED_ROWS]} == {"0", "1", "2"}
    moved = found.result.statistics[told["by"]].value - told["usual"]
    assert sum(row["contribution"] for row in told["rows"]) == pytest.approx(moved)
    (grid,) = [grid for grid in grids(found) if grid.title == "What moved"]
    assert f"adds to {told['by']} less" in grid.note
    assert "may be chance" not in grid.note


def test_groups_that_the_table_leaves_out_are_counted(found: Comparison):
    def note(of: Comparison) -> str:
        return next(grid.note for grid in grids(of) if grid.title == "What moved")

    clusters = found.result.attribution.clusters
    assert f"{len(clusters) - MOST_GROUPS} more groups" in note(found)
    few = replace(
        found.result.attribution, clusters=clusters[:MOST_GROUPS], cluster=0 * found.result.attribution.cluster
    )
    assert "more groups" not in note(replace(found, result=replace(found.result, attribution=few)))


def test_no_drift_says_how_much_there_may_be_at_most_and_warns_of_nothing(folder):
    done = drift("ref.npy", "same.npy")
    first, second, *_ = done.stdout.splitlines()
    assert re.fullmatch(r"no drift: p = [\d.]+ at level 0\.005, at most like [\d.]+% foreign rows", first)
    assert second == ""
    assert "The level is half of --alpha" in " ".join(done.stdout.split())
    moved = drift("ref.npy", "other.npy").stdout
    assert re.search(r"at level 0\.005, like \d+% foreign rows \(\d+% to \d+%\) by", moved)


def test_rows_that_the_panel_leaves_out_are_warned_of(folder):
    write(folder / "long.npy", healthy(3 * N, 1))
    said = (
        f"the panel looks at {N} of {3 * N} current rows, a 20th of the 2000 reference rows: 6000 reference rows would"
    )
    assert said in " ".join(drift("ref.npy", "long.npy").stdout.split())


def test_a_page_that_cannot_be_written_is_told_before_the_work(folder, monkeypatch):
    monkeypatch.setattr(compare_command, "compare", lambda *_, **__: pytest.fail("compared first"))
    (folder / "folder").mkdir()
    for path in ("no/such/page.html", "folder"):
        done = drift("ref.npy", "same.npy", "--html", path)
        assert done.exit_code == 2
        assert f"--html needs a file that can be written, {path} cannot" in " ".join(done.output.split())


def test_too_few_rows_asked_for_is_an_error_of_the_option(folder):
    least = LEAST * PANEL_PART
    refused = drift("ref.npy", "same.npy", "--rows", str(least - 1))
    assert refused.exit_code == 2
    assert "--rows" in refused.output
    assert str(least) in refused.output
    assert drift("ref.npy", "same.npy", "--rows", str(least)).exit_code in {0, 1}
