"""Where a change comes from that the squared MMD does not see: single rows, by novelty or by their scores."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from samples import measured, reference, window

from dashboard import moved
from detectors import Joint, Panel
from detectors.panel import Attribution, Result
from detectors.panel.rowwise import TERMS
from detectors.panel.space import observe
from drift.records import KeptAttribution
from drift.store import codec

pytestmark = pytest.mark.filterwarnings("ignore::drift.errors.LevelWarning")  # small ones are quick
Matrix = npt.NDArray[np.floating]
N, DIM = 200, 12
TOPICS = np.array(["billing", "loans", "travel"])
CENTRES = 6 * np.eye(3, DIM)
SCALE = np.append(np.ones(DIM - 1), 0.1)  # one direction is quiet


def topics(n: int, seed: int) -> tuple[Matrix, list[str]]:
    rng = np.random.default_rng(seed)
    of = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    return (CENTRES[of] + SCALE * rng.standard_normal((n, DIM))).astype(np.float32), TOPICS[of].tolist()


def far_from_all(n: int, seed: int, k: int) -> Matrix:
    """A healthy window whose first `k` rows lie far from all others, each in another direction."""
    x, _ = topics(n, seed)
    rng = np.random.default_rng(seed)
    away = rng.standard_normal((k, DIM))
    x[:k] = CENTRES[rng.integers(0, 3, k)] + 6 * SCALE * away / np.linalg.norm(away, axis=1, keepdims=True)
    return x


def off_the_quiet_direction(n: int, seed: int, k: int) -> Matrix:
    x, _ = topics(n, seed)
    x[:k, -1] = np.where(np.arange(k) % 2, 1.5, -1.5)
    return x


@pytest.fixture(scope="module")
def panel() -> Panel:
    rows, segments = topics(8000, 0)
    return Panel.fit(rows, N, nulls=400, clusters=3, segments=segments)


def taken_apart(panel: Panel, x: Matrix, by: str, segments: list[str] | None = None) -> Attribution:
    seen = observe(panel.space, panel.space.centred(torch.tensor(x)))
    return panel.known.attribute(by, panel.space, seen, panel.test(x).attribution, segments)


def adds_up(result: Result) -> None:
    found = result.attribution
    whole = result.statistics[found.by].value - found.usual
    assert found.rows.sum() == pytest.approx(whole, rel=1e-9)
    for parts in (found.clusters, found.segments):
        assert sum(p.contribution for p in parts) == pytest.approx(whole, rel=1e-9)
        assert sum(p.mix + p.within for p in parts) == pytest.approx(whole, rel=1e-9)
        assert sum(p.window for p in parts) == pytest.approx(sum(p.reference for p in parts)) == pytest.approx(1)


def test_rows_where_the_reference_has_none_are_ranked_by_novelty(panel: Panel):
    k = 10
    x, segments = far_from_all(N, 2, k), ["new"] * k + topics(N, 2)[1][k:]
    order = np.random.default_rng(0).permutation(N)
    result = panel.test(x[order], segments=[segments[i] for i in order])
    assert result.attribution.by == "novelty"
    assert set(order[result.attribution.top(k)]) == set(range(k))
    new = next(p for p in result.attribution.segments if p.name == "new")
    assert new.contribution == pytest.approx(k / N * (1 - result.attribution.usual), rel=1e-6)
    adds_up(result)


def test_a_few_rows_off_a_quiet_direction_are_ranked_by_their_mahalanobis_score(panel: Panel):
    x = off_the_quiet_direction(N, 2, 3)
    result = panel.test(x, segments=topics(N, 2)[1])
    assert result.attribution.by in {"mahalanobis_mean", "mahalanobis_sd"}
    assert set(result.attribution.top(3)) == {0, 1, 2}
    adds_up(result)


@pytest.mark.filterwarnings("ignore::drift.errors.CopiedRowsWarning")
@pytest.mark.parametrize("by", TERMS)
def test_the_terms_of_the_rows_have_the_statistic_as_their_mean(panel: Panel, by: str):
    for x in (topics(N, 3)[0], far_from_all(N, 3, 40), np.zeros((N, DIM), np.float32)):
        found = taken_apart(panel, x, by)
        assert found.rows.sum() + found.usual == pytest.approx(panel.test(x).statistics[by].value, rel=1e-9, abs=1e-12)


def test_where_scores_have_fallen_the_rows_with_the_smallest_come_first(panel: Panel):
    x, _ = topics(N, 4)
    x[:5] = CENTRES.mean(0)
    x[5:] = CENTRES.mean(0) + 0.7 * (x[5:] - CENTRES.mean(0))
    found = taken_apart(panel, x, "mahalanobis_mean")
    assert found.rows.sum() < 0
    assert set(found.top(5)) == set(range(5))


def test_a_change_that_mmd_sees_is_taken_apart_by_it_and_so_is_none(panel: Panel):
    rng = np.random.default_rng(5)
    grown = (CENTRES[2] + SCALE * rng.standard_normal((N, DIM))).astype(np.float32)
    assert panel.test(grown).attribution.by == "mmd_wide"
    healthy = [panel.test(topics(N, 100 + i)[0]) for i in range(20)]
    for result in healthy:
        significant = min(result.statistics[name].p_value for name in TERMS) <= panel.level
        assert (result.attribution.by == "mmd_wide") is not significant
    assert sum(result.attribution.by == "mmd_wide" for result in healthy) >= 15


def test_segments_that_the_reference_does_not_know_are_told_of_the_window_alone(panel: Panel):
    untold = Panel.fit(topics(8000, 0)[0], N, nulls=19, clusters=3)
    x, segments = topics(N, 6)
    found = taken_apart(untold, x, "mahalanobis_mean", segments)
    assert {p.reference for p in found.segments} == {None}
    assert sum(p.contribution for p in found.segments) == pytest.approx(found.rows.sum())
    assert taken_apart(panel, x, "novelty").segments == ()


@pytest.fixture(scope="module")
def kept() -> KeptAttribution:
    x = far_from_all(N, 2, 10)
    ids = tuple(f"row {i}" for i in range(N))
    return measured(Joint(nulls=200, min_rows=N), window(x, ids=ids), reference(topics(8000, 0)[0])).attribution


def test_the_service_keeps_which_statistic_it_is_and_the_novel_rows(kept: KeptAttribution):
    assert kept.by in TERMS
    assert sum(part.contribution for part in kept.clusters) == pytest.approx(kept.total)
    assert len({row.position for row in kept.rows[:10]} & set(range(10))) >= 8
    assert sum(row.contribution for row in kept.rows[:10]) > 0.5 * kept.total


def test_what_was_kept_of_the_squared_mmd_alone_is_still_read(kept: KeptAttribution):
    old = {"p_value": 0.01, "mmd2": 0.02, "clusters": [], "segments": [], "rows": []}
    assert codec.read_attribution(old) == KeptAttribution("mmd_wide", 0.02, 0.01, (), (), ())
    assert codec.read_attribution(codec.attribution(kept)) == kept


def test_the_page_says_by_what_the_rows_are_ranked(kept: KeptAttribution):
    measurement = measured(Joint(nulls=200, min_rows=N), window(topics(N, 7)[0]), reference(topics(8000, 0)[0]))
    page = moved.section(replace(measurement, attribution=replace(kept, by="novelty")))
    assert "share of novel rows is" in page
    assert "above what is usual" in page
    fallen = moved.section(replace(measurement, attribution=replace(kept, by="mahalanobis_mean", total=-1.5)))
    assert "mean Mahalanobis score is 1.5 below what is usual" in fallen
