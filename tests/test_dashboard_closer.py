"""A closer look at a stream: dimensions, spectrum, accuracy, skew, segments, and what was changed on purpose."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from test_dashboard import charts, config_file, page, seeded_url, text  # noqa: F401

from dashboard import closer, data, dimensions, parts, shapes, sides, spectrum
from dashboard.door import SignInError
from dashboard.series import Range
from dashboard.sides import Sides
from drift.records import Measurement, Span, Stream
from drift.slo import Sli, Slo
from drift.store import partitions, reads, versions, views, writes

START = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = Span(START, START + HOUR)


def held(*, n: int = 300, d: int = 24, spread: float = 1.0, turn: bool = False, seed: int = 1) -> Sides:
    """A window of rows like the reference, whose dimensions vary unequally, the first by `spread` times more."""
    rng, scales = np.random.default_rng(seed), np.geomspace(3, 0.3, d)
    reference = np.random.default_rng(0).standard_normal((1200, d)) * scales
    window = rng.standard_normal((n, d)) * scales * np.where(np.arange(d) == 0, spread, 1)
    if turn:
        window = window[:, ::-1]
    return Sides(window.astype(np.float32), reference.astype(np.float32), SPAN, "v" * 64)


def test_healthy_windows_have_no_dimension_beyond_in_99_of_100():
    found = [dimensions.compare(held(seed=seed), most=1) for seed in range(60)]
    assert sum(one.beyond > 0 for one in found) <= 4
    assert sum(one.moved > 0 for one in found) <= 4


def test_the_dimension_that_has_spread_is_named_first_and_marked():
    found = dimensions.compare(held(spread=2.0))
    assert (found.beyond, found.moved) == (1, 1)
    assert [one.name for one in found.histograms][:2] == ["norm", "dimension 0"]
    dots, beyond = shapes.variances(found).to_dict()["layers"][-2:]
    assert (len(dots["x"]), beyond["x"], beyond["shape"]) == (23, (0.0,), "triangle")
    assert beyond["y"][0] == pytest.approx(4, rel=0.3)


def test_dimensions_that_vary_by_rounding_alone_do_not_differ():
    of, rng = held(spread=2.0), np.random.default_rng(5)
    for side, offset in ((of.window, 1e-8), (of.reference, 0.0)):
        side[:, 5] = offset + (1e-8 + offset) * rng.standard_normal(len(side))
        side[:, 6] = 1e-31 * (offset > 0)
        side[:, 7] = offset > 0  # a constant that has moved
    found = dimensions.compare(of)
    names = [one.name for one in found.histograms]
    assert {"dimension 0", "dimension 7"} <= set(names)
    assert not {"dimension 5", "dimension 6"} & set(names)
    assert (found.moved, found.beyond) == (2, 1)


def test_any_dimension_can_be_asked_for():
    names = [one.name for one in dimensions.compare(held(), also=17).histograms]
    assert "dimension 17" in names
    assert len(dimensions.compare(held(), also=99).histograms) == 6


def test_distances_are_those_of_kolmogorov_and_smirnov_with_ties_too():
    from scipy.stats import ks_2samp

    rng = np.random.default_rng(3)
    x, y = (rng.integers(0, 9, (n, 3)).astype(np.float32) for n in (80, 200))
    found = dimensions.distances(x, y)
    assert found == pytest.approx([ks_2samp(x[:, i], y[:, i]).statistic for i in range(3)])


def test_every_row_is_in_a_bin_of_its_histogram():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal(50).astype(np.float32), rng.standard_normal(500).astype(np.float32)
    x[0] = 1e6
    found = dimensions.histogram("d", x, y)
    assert found.window.sum() == pytest.approx(1)
    assert found.reference.sum() == pytest.approx(1)


def test_of_very_many_dimensions_the_extremes_stay():
    ratios = np.ones(5000)
    ratios[[17, 4001]] = 0.1, 9.0
    shown = dimensions.thinned(ratios)
    assert {17, 4001} <= set(shown)
    assert len(shown) <= dimensions.SHOWN


def test_a_healthy_spectrum_lies_in_its_band_and_a_collapsed_one_does_not():
    healthy = spectrum.compare(held())
    assert np.mean((healthy.window < healthy.low) | (healthy.window > healthy.high)) < 0.2
    assert healthy.window.sum() == pytest.approx(1)
    narrow = spectrum.compare(held(spread=6.0))
    assert narrow.window[0] > narrow.high[0]
    assert narrow.ranks[0] < 0.7 * narrow.ranks[1]
    assert narrow.needed[0] < narrow.needed[1]


def test_a_turned_window_has_the_same_spectrum_and_other_directions():
    turned = spectrum.compare(held(turn=True))
    assert turned.ranks[0] == pytest.approx(turned.ranks[1], rel=0.1)
    assert turned.along[0] < 0.2 * turned.window[0]
    straight = spectrum.compare(held())
    assert straight.along[0] == pytest.approx(straight.window[0], rel=0.1)


@pytest.mark.parametrize(("n", "d"), [(40, 1), (20, 600), (2048, 2)])
def test_any_shape_can_be_looked_at(n, d):
    of = held(n=n, d=d)
    assert len(shapes.variances(dimensions.compare(of)).marks) >= 3
    drawn = shapes.spectra(spectrum.compare(of)).to_dict()
    assert all(y is None or y > 0 for layer in drawn["layers"] for y in layer.get("y", ()))


def test_a_declared_version_is_kept_when_it_changes_and_only_then(engine):
    stream = Stream("search", "encoder", "1", 4)
    for version in ("1", "1", "2", "2", "1"):
        with engine.begin() as conn:
            writes.register(conn, Stream("search", "encoder", version, 4), team="", open_from=None)
            writes.register(conn, stream.part("lang=de"), team="", open_from=None)
    with engine.begin() as conn:
        assert [row.version for row in versions.versions(conn, "search")] == ["1", "2", "1"]


def test_percentiles_are_kept_with_their_measurement_and_the_worst_windows_stay_when_thinned(engine):
    with engine.begin() as conn:
        for i in range(60):
            span = Span(START + i * HOUR, START + (i + 1) * HOUR)
            of = (0.1,) * 5 + (9.0 if i == 37 else 0.2,)
            partitions.ensure_month(conn, span.start)
            writes.record(conn, [Measurement("s", span, "skew", "r", 0.0, 64, percentiles=of)])
        found = views.thinned(conn, "s", "skew", Span(START, START + 60 * HOUR), most=10)
        assert len(found) <= 10
        assert max(m.percentiles[-1] for m in found) == 9.0
        assert reads.measurements(conn, "s", START, START + HOUR)[0].percentiles == (0.1,) * 5 + (0.2,)


def test_what_is_not_opened_is_not_drawn(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "stream", stream="support-tickets", slo="traffic")
    assert "A closer look" in text(app)
    assert not {chart["title"] for chart in charts(app)} & {"spectrum", "variance by dimension", "skew by percentile"}


def test_the_browser_loads_what_draws_before_the_numbers_are_there(page, seeded_url):  # noqa: F811
    first, *rest = page(seeded_url, "stream", stream="support-tickets").get("bidi_component")
    assert json.loads(first.proto.json)["charts"] == []
    assert all(json.loads(one.proto.json)["charts"] for one in rest)


def test_each_look_draws_what_it_is_for(page, seeded_url):  # noqa: F811
    def look(name: str, **more: str):
        return page(seeded_url, "stream", stream="support-tickets", slo="traffic", range="7 d", look=name, **more)

    app = look("dimensions", dim="2")
    assert "of the reference" in text(app)
    assert {"variance by dimension", "norm", "dimension 2"} <= {chart["title"] for chart in charts(app)}
    app = look("spectrum")
    assert "directions by effective rank" in text(app)
    assert "spectrum" in {chart["title"] for chart in charts(app)}
    app = look("accuracy")
    (drawn,) = (chart for chart in charts(app) if chart["title"] == "accuracy")
    assert [layer["colour"] for layer in drawn["layers"] if layer["mark"] == "line"] == ["#2B8CC4", "#E69F00"]
    app = look("skew")
    (drawn,) = (chart for chart in charts(app) if chart["title"] == "skew by percentile")
    assert len([layer for layer in drawn["layers"] if layer["mark"] == "line"]) == 6
    assert drawn["y"]["to"] > 1


def test_a_deployment_is_marked_on_the_charts(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "stream", stream="support-tickets", slo="traffic", range="7 d")
    marked = [layer for chart in charts(app) for layer in chart["layers"] if layer["mark"] == "moments"]
    assert len(marked) == len(charts(app))
    assert marked[0]["texts"] == ["version 2026-09"]
    assert "before it 2026-08: a deployment" in marked[0]["tips"][0]


def test_segments_are_side_by_side_with_the_whole(page, seeded_url):  # noqa: F811
    app = page(seeded_url, "stream", stream="products", slo="traffic", range="7 d", look="segments")
    headings = [chart["heading"] for chart in charts(app)]
    assert headings[-2:] == ["all of it", "lang=de"]


def test_who_is_signed_out_meanwhile_is_told_so_by_a_look(monkeypatch):
    def refused():
        raise SignInError("You signed in some time ago", can_sign_in=True)

    told = []
    monkeypatch.setattr(data, "config", refused)
    monkeypatch.setattr(data, "streams", refused)
    monkeypatch.setattr(parts.st, "warning", told.append)
    closer._segments(Slo("rank", "s", Sli("effective_rank"), Fraction(1, 2), HOUR), Range())
    assert told == ["You signed in some time ago"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("dimensions", "retention.vectors"),
        ("accuracy", "List `probe`"),
        ("skew", "encoded again"),
        ("segments", "is not split"),
    ],
)
def test_a_look_at_what_is_not_there_says_what_would_do(page, seeded_url, name, said):  # noqa: F811
    app = page(seeded_url, "stream", stream="docs-search", look=name)
    assert any(said in box.value for box in app.info)


def test_no_rows_are_no_sides(engine):
    with engine.begin() as conn:
        assert sides.read(conn, "nobody", SPAN) is None
