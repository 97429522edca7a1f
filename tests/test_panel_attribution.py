"""Where the panel says that a change comes from, on a mixture of known topics."""

from collections.abc import Sequence
from inspect import unwrap

import numpy as np
import numpy.typing as npt
import pytest
import torch

from detectors import Panel
from detectors.arguments import as_segments
from detectors.panel import Attribution, Part
from detectors.panel.clusters import fit_centres, nearest
from detectors.panel.space import observe

torch.set_num_threads(1)  # see samples.py
pytestmark = pytest.mark.filterwarnings("ignore::drift.errors.LevelWarning")  # small ones are quick

Matrix = npt.NDArray[np.floating]
Labels = npt.NDArray[np.str_]
N, DIM = 200, 12
TOPICS = np.array(["billing", "cards", "loans", "travel"])
SHARES = (0.4, 0.3, 0.2, 0.1)
CENTRES = 3 * np.random.default_rng(99).standard_normal((4, DIM))


def topics(n: int, rng: np.random.Generator, shares: Sequence[float] = SHARES) -> tuple[Matrix, Labels]:
    of = rng.choice(4, n, p=shares)
    return (CENTRES[of] + rng.standard_normal((n, DIM))).astype(np.float32), TOPICS[of]


REFERENCE, SEGMENTS = topics(8000, np.random.default_rng(0))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.fit(REFERENCE, N, nulls=50, clusters=4, segments=SEGMENTS.tolist())


@pytest.fixture(scope="module")
def healthy(panel: Panel) -> list[Attribution]:
    rng = np.random.default_rng(1)
    return [panel.test(x, segments=s.tolist()).attribution for x, s in (topics(N, rng) for _ in range(150))]


def attributed(panel: Panel, x: Matrix, segments: Labels | None = None) -> Attribution:
    return panel.test(x, segments=None if segments is None else segments.tolist()).attribution


def part(parts: tuple[Part, ...], name: str) -> Part:
    return next(p for p in parts if p.name == name)


def total(parts: tuple[Part, ...], column: str = "contribution") -> float:
    return sum(getattr(p, column) for p in parts)


def squared(x: Matrix, y: Matrix) -> Matrix:
    return ((x[:, None] - y[None]) ** 2).sum(2)


@pytest.mark.filterwarnings("ignore::drift.errors.CopiedRowsWarning")
def test_contributions_add_up_to_the_statistic_whatever_the_window(panel: Panel):
    x, segments = topics(N, np.random.default_rng(2))
    for window in (x, x + 1, 1e6 * x, np.zeros_like(x), np.repeat(x[:2], N // 2, 0), x.astype(np.float64)):
        result = panel.test(window, segments=segments.tolist())
        found, whole = result.attribution, result.statistics["mmd_wide"].value
        assert whole == result.effect.mmd2
        assert found.rows.shape == found.cluster.shape == (N,)
        assert found.rows.sum() == pytest.approx(whole, abs=1e-6)
        for parts in (found.clusters, found.segments):
            assert total(parts) == pytest.approx(whole, abs=1e-6)
            assert total(parts, "reference") == pytest.approx(1)
            assert total(parts, "window") == pytest.approx(1)
            for p in parts:
                assert p.contribution == pytest.approx(p.mix + p.within, abs=1e-12)


def test_rows_and_segments_are_what_the_formulas_say_of_plain_kernels():
    rng = np.random.default_rng(3)
    (held, names), (x, segments) = topics(800, rng), topics(60, rng, (0.1, 0.2, 0.3, 0.4))
    panel = Panel.fit(held, 60, nulls=19, segments=names.tolist())
    anchors = panel.space.anchors.double().numpy()
    of = names[squared(anchors, held - panel.space.centre.numpy()).argmin(1)]
    y = x - panel.space.centre.numpy()
    own, across, among = (
        np.exp(-squared(*pair) / panel.space.scale) for pair in ((y, y), (y, anchors), (anchors, anchors))
    )
    for k in (own, among):
        np.fill_diagonal(k, 0)
    here = own.sum(1) / 59 - across.mean(1)
    there = across.mean(0) - among.sum(1) / 399
    found = attributed(panel, x, segments)
    assert found.rows == pytest.approx((here - there.mean()) / 60, abs=1e-7)
    for p in found.segments:
        i, j = segments == p.name, of == p.name
        assert (p.window, p.reference) == pytest.approx((i.mean(), j.mean()))
        inside = here[i].sum() / 60 - there[j].sum() / 400 - there.mean() * (i.mean() - j.mean())
        assert p.contribution == pytest.approx(inside, abs=1e-7)
        # Every row of the group, itself too, with the mean over its pairs for its kernel to itself.
        mean_own, mean_among = (k[g][:, g].sum() / g.sum() / (g.sum() - 1) for k, g in ((own, i), (among, j)))
        w = own[i].sum(1).mean() / 60 + mean_own / 60 - across[i].mean()
        r = across[:, j].mean() - among[j].sum(1).mean() / 400 - mean_among / 400
        assert p.within == pytest.approx((w - r) * (i.mean() + j.mean()) / 2, abs=1e-7)


def test_the_order_of_a_windows_rows_is_that_of_its_contributions(panel: Panel):
    x, segments = topics(N, np.random.default_rng(4), (0.1, 0.2, 0.3, 0.4))
    order = np.random.default_rng(5).permutation(N)
    plain, turned = attributed(panel, x, segments), attributed(panel, x[order], segments[order])
    assert turned.rows == pytest.approx(plain.rows[order], abs=1e-7)
    assert (turned.cluster == plain.cluster[order]).all()
    assert (order[turned.top(5)] == plain.top(5)).all()
    for one, two in zip(plain.clusters + plain.segments, turned.clusters + turned.segments, strict=True):
        assert two.contribution == pytest.approx(one.contribution, abs=1e-7)


def test_injected_rows_of_another_kind_come_first_and_so_does_their_cluster(panel: Panel):
    rng = np.random.default_rng(6)
    x, _ = topics(N, rng)
    k, at = N // 10, rng.permutation(N)[: N // 10]
    x[at] = CENTRES[1] + 5 * np.eye(1, DIM, 3) + rng.standard_normal((k, DIM))
    # Its witness ranks them so although MMD itself hardly sees them: what `test` takes apart is in test_panel_rowwise.
    seen = observe(panel.space, panel.space.centred(torch.tensor(x)))
    found = panel.attributor.attribute(panel.space, seen, np.arange(N))
    assert np.isin(found.top(k), at).mean() >= 0.9
    assert len(found.top(10 * N)) == N
    theirs = np.bincount(found.cluster[at]).argmax()
    most = max(found.clusters, key=lambda p: p.contribution)
    assert most.name == str(theirs)
    assert most.contribution >= 0.7 * total(found.clusters)


def test_a_change_of_the_mix_is_attributed_to_mix(panel: Panel):
    x, segments = topics(N, np.random.default_rng(7), (0.1, 0.6, 0.2, 0.1))
    found = attributed(panel, x, segments)
    for parts in (found.clusters, found.segments):
        assert abs(total(parts, "within")) < 0.05 * total(parts, "mix")
        assert sorted(p.mix for p in parts)[1] < 0.05 * total(parts)  # all of it by the two that changed
    grown, shrunk = (part(found.segments, name) for name in ("cards", "billing"))
    assert min(grown.mix, shrunk.mix) > 0.2 * total(found.segments)
    assert grown.reference == pytest.approx(0.3, abs=0.02)
    assert grown.window == (segments == "cards").mean()


def test_a_change_inside_one_segment_is_attributed_to_that_segments_within(panel: Panel):
    rng = np.random.default_rng(8)
    found = []
    for _ in range(20):  # shares of a window at random always differ a little; on average they do not
        x, segments = topics(N, rng)
        x[segments == "cards"] += 1.0
        found.append(attributed(panel, x, segments).segments)
    whole = np.mean([total(parts) for parts in found])
    assert np.mean([part(parts, "cards").within for parts in found]) > 0.9 * whole
    assert abs(np.mean([total(parts, "mix") for parts in found])) < 0.05 * whole


def test_a_topic_that_has_vanished_contributes_although_no_row_is_there(panel: Panel):
    x, segments = topics(N, np.random.default_rng(9), (0.0, 0.5, 0.33, 0.17))
    for p in (part(attributed(panel, x, segments).segments, "billing"), attributed(panel, x).clusters[0]):
        assert p.window == p.within == 0
        assert p.reference == pytest.approx(0.4, abs=0.02)
        assert p.contribution > 0.5 * panel.test(x).effect.mmd2


def test_a_segment_that_the_reference_lacks_is_all_mix(panel: Panel):
    x, segments = topics(N, np.random.default_rng(10))
    segments = np.where(segments == "travel", "a trip", segments)
    parts = attributed(panel, x, segments).segments
    assert [p.name for p in parts] == [*TOPICS, "a trip"]
    assert (parts[-1].reference, parts[-1].within) == (0, 0)
    assert parts[-1].contribution == parts[-1].mix


def test_healthy_windows_contribute_nothing_on_average_to_any_part(healthy: list[Attribution]):
    def within_chance(draws: list[float], errors: float = 4.5) -> bool:
        return abs(np.mean(draws)) < errors * np.std(draws) / len(draws) ** 0.5

    for parts in ([a.clusters for a in healthy], [a.segments for a in healthy]):
        for column in ("mix", "within", "contribution"):
            assert within_chance([total(p, column) for p in parts]), column
            assert all(within_chance([p[i].contribution for p in parts]) for i in range(4))


def test_a_healthy_row_far_from_others_does_not_contribute_more(panel: Panel):
    """It would if rows were given other shares of the same sum: their own density would show, not the change."""
    rng = np.random.default_rng(11)
    distance, contribution = [], []
    for _ in range(20):
        x, segments = topics(N, rng)
        distance += list(np.linalg.norm(x - CENTRES[np.searchsorted(TOPICS, segments)], axis=1))
        contribution += list(attributed(panel, x).rows)
    assert abs(np.corrcoef(distance, contribution)[0, 1]) < 0.1


def test_rows_beyond_the_draw_have_no_contribution(panel: Panel):
    x, segments = topics(5 * N, np.random.default_rng(12), (0.1, 0.2, 0.3, 0.4))
    found = attributed(panel, x, segments)
    assert found.rows.shape == (N,) == (len(set(found.index.tolist())),)
    assert found.index.max() >= N
    again = attributed(panel, x[found.index], segments[found.index])
    assert (again.index == np.arange(N)).all()
    assert (again.rows == found.rows).all()
    assert again.segments == found.segments
    assert (found.index[again.top(9)] == found.top(9)).all()


def test_segments_may_be_known_of_the_window_alone(panel: Panel):
    untold = Panel.fit(REFERENCE, N, nulls=19, clusters=4)
    x, segments = topics(N, np.random.default_rng(13), (0.1, 0.2, 0.3, 0.4))
    found = attributed(untold, x, segments)
    assert total(found.segments) == pytest.approx(found.rows.sum())
    for p in found.segments:
        assert p.contribution == pytest.approx(found.rows[segments == p.name].sum())
        assert (p.reference, p.mix, p.within) == (None, None, None)
    assert attributed(untold, x).segments == attributed(panel, x).segments == ()
    assert attributed(untold, x) == attributed(panel, x) != found


def test_segments_of_other_rows_are_refused(panel: Panel):
    with pytest.raises(ValueError, match=r"one segment for each of 200 rows, it was given 199"):
        panel.test(topics(N, np.random.default_rng(14))[0], segments=["a"] * (N - 1))
    with pytest.raises(ValueError, match=r"text as segments, row 1 has None"):
        unwrap(as_segments)(["a", None], 2)
    with pytest.raises(ValueError, match=r"one segment for each of 8000 rows, it was given 8001"):
        Panel.fit(REFERENCE, N, nulls=19, segments=["a"] * 8001)


def test_clusters_are_the_topics_the_largest_first_and_the_same_for_a_seed(panel: Panel):
    x, segments = topics(N, np.random.default_rng(15))
    found = attributed(panel, x)
    assert (TOPICS[found.cluster] == segments).mean() > 0.99  # their shares fall in this order
    assert [p.name for p in found.clusters] == ["0", "1", "2", "3"]
    many = torch.tensor(REFERENCE[:1000])
    one, two = (fit_centres(many, 16, np.random.default_rng(1)) for _ in range(2))
    assert one.equal(two)
    sizes = nearest(many, one).bincount(minlength=16)
    assert sizes.min() > 0
    assert (sizes.diff() <= 0).all()


def test_there_are_no_more_clusters_than_rows_that_differ():
    few = torch.tensor([[0.0, 1.0], [5.0, 5.0], [9.0, 0.0]]).repeat(30, 1)
    centres = fit_centres(few, 16, np.random.default_rng(2))
    assert sorted(centres.tolist()) == [[0, 1], [5, 5], [9, 0]]
    alone = Panel.fit(REFERENCE[:, :1], N, nulls=19, clusters=1)
    found = alone.test(REFERENCE[:N, :1]).attribution
    assert found.clusters[0].mix == pytest.approx(0, abs=1e-9)
