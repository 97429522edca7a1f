"""What `drift compare` says: of where a change comes from, of how much it is, and of what is wrong with a call."""

from dataclasses import replace

import pytest
from test_compare import N, Request, compare, healthy, write

from drift.wiring.compare import Comparison
from drift.wiring.compare_report import MOST_GROUPS, as_json, grids

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
