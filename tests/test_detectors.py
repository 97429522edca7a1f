"""What holds for every detector."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from samples import (
    complete,
    encoded_again,
    labelled_reference,
    measured,
    most_by_chance,
    normalise,
    rotation,
    s1,
    window,
)

from detectors import DETECTORS
from detectors.base import Detector
from drift.errors import TooFewRowsError, UnmeasurableError
from drift.processor import multiplies_bfloat16_fast
from drift.records import Measurement, Reference, Window

LABELLED = (
    "estimated_accuracy",
    "knn_probe",
    "probe",
    "recall",
    "refit_probe",
)  # which need labels, or the reference's
EVERY = pytest.mark.parametrize("detector", [d() for d in DETECTORS.values()], ids=list(DETECTORS))
EVERY_TEST = pytest.mark.parametrize("detector", [d() for d in DETECTORS.values() if d.is_test], ids=lambda d: d.name)


@pytest.fixture(scope="module")
def healthy() -> Reference:
    rng = np.random.default_rng(0)
    return labelled_reference(s1(2048, rng), rng)


@pytest.fixture(scope="module")
def windows() -> list[Window]:
    rng = np.random.default_rng(1)
    return [complete(s1(128, rng), rng) for _ in range(200)]


def first(of: Window, rows: int) -> Window:
    """The first rows of `of`, as a window of its own that received no others."""
    index = np.arange(rows)
    assert of.recomputed is not None
    part = replace(of, rows=of.rows.take(index), received=rows, recomputed=None)
    return encoded_again(part, of.recomputed.vectors[index])


def rounding(of: Measurement) -> float:
    """How far the order of rows may move a kernel that is multiplied in bfloat16: far below its null's spread."""
    if of.detector != "context_mmd" or not multiplies_bfloat16_fast(torch.cpu.get_capabilities()):
        return 0.0
    assert of.band_low is not None
    assert of.band_high is not None
    return (of.band_high - of.band_low) / 200


@EVERY
def test_is_found_under_its_name_in_the_file_of_that_name(detector: Detector):
    assert DETECTORS[detector.name] is type(detector)
    # The function `detectors.probe` would hide a module of that name.
    file = "frozen_probe" if detector.name == "probe" else detector.name
    assert type(detector).__module__ == f"detectors.{file}"


@EVERY
def test_parameters_cannot_change(detector: Detector):
    with pytest.raises((FrozenInstanceError, TypeError)):
        detector.min_rows = 1
    assert hash(detector) == hash(type(detector)())


@EVERY
def test_says_which_window_detector_and_reference(detector: Detector, healthy: Reference, windows: list[Window]):
    m = measured(detector, windows[0], healthy)
    assert (m.stream, m.span, m.detector) == ("search", windows[0].span, detector.name)
    assert (m.reference, m.rows) == (healthy.version, 128)


@EVERY
def test_a_retried_job_gives_the_same_number(detector: Detector, healthy: Reference, windows: list[Window]):
    again = Reference(healthy.stream, healthy.rows, healthy.created_at)  # as another process would load it
    measured(detector, windows[1], again)  # what was measured before must not matter either
    assert measured(detector, windows[0], again, seed=7) == measured(detector, windows[0], healthy, seed=7)


@EVERY
def test_false_alarms_keep_to_their_level(detector: Detector, healthy: Reference, windows: list[Window]):
    """Case A19."""
    taken = [measured(detector, of, healthy, seed=i) for i, of in enumerate(windows)]
    if detector.is_test:
        p = np.array([m.p_value for m in taken])
        assert (p > 0).all()
        assert [np.mean(p <= alpha) <= 2 * alpha + 0.02 for alpha in (0.1, 0.05, 0.01)] == [True] * 3
    else:
        assert {m.p_value for m in taken} == {None}
    banded = [m for m in taken if m.band_low is not None]
    assert len(banded) in (0, len(taken))
    assert sum(not m.band_low <= m.value <= m.band_high for m in banded) <= most_by_chance(len(taken), 0.02)
    assert all(m.low <= m.value <= m.high for m in taken if m.low is not None)


@EVERY
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_turning_and_scaling_everything_changes_nothing(detector: Detector, scale: float):
    rng = np.random.default_rng(2)
    x, of = s1(512, rng), complete(s1(128, rng), rng)
    held = labelled_reference(x, rng, version="same")
    turn = scale * rotation(384, rng)
    moved = replace(held, rows=replace(held.rows, vectors=(x @ turn).astype(np.float32)))
    rows = replace(of.rows, vectors=(of.vectors @ turn).astype(np.float32))
    turned = encoded_again(replace(of, rows=rows), of.recomputed.vectors @ turn)
    one, two = measured(detector, of, held), measured(detector, turned, moved)
    # One row may change sides of a threshold by rounding.
    tolerance = 1 / 128 if detector.name in ("novelty", *LABELLED) else max(1e-6, rounding(one))
    assert two.value == pytest.approx(one.value, rel=1e-4, abs=tolerance)


@EVERY
def test_the_order_of_rows_does_not_matter(detector: Detector, healthy: Reference, windows: list[Window]):
    of, order = windows[0], np.random.default_rng(3).permutation(128)
    shuffled = encoded_again(replace(of, rows=of.rows.take(order)), of.recomputed.vectors[order])
    one, two = measured(detector, of, healthy), measured(detector, shuffled, healthy)
    assert two.value == pytest.approx(one.value, rel=1e-6, abs=max(1e-7, rounding(one)))


@EVERY
def test_one_row_too_few_is_refused_by_name(detector: Detector, healthy: Reference, windows: list[Window]):
    least = detector.min_rows
    with pytest.raises(TooFewRowsError, match=rf"{detector.name} needs at least {least} .* has {least - 1}: "):
        measured(detector, first(windows[0], least - 1), healthy)
    assert measured(detector, first(windows[0], least), healthy).rows == least


@EVERY
def test_a_constant_window_gives_a_finite_number_or_is_refused_as_copies(
    detector: Detector, healthy: Reference, windows: list[Window]
):
    of = replace(windows[0], rows=windows[0].rows.take(np.zeros(128, np.intp)))
    of = encoded_again(of, of.vectors)
    if detector.is_test:
        with pytest.raises(TooFewRowsError, match="copies"):
            measured(detector, of, healthy)
    else:
        assert np.isfinite(measured(detector, of, healthy).value)


@EVERY_TEST
def test_a_test_takes_rows_that_are_sent_twice_once(detector: Detector, healthy: Reference, windows: list[Window]):
    twice = replace(windows[0], rows=windows[0].rows.take(np.repeat(np.arange(128), 2)), recomputed=None)
    assert measured(detector, twice, healthy) == measured(detector, windows[0], healthy)


@EVERY
@pytest.mark.parametrize("dim", [1, 2, 1024])  # the last is more than there are rows
def test_any_dimension_will_do(detector: Detector, dim: int):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((640, dim)).astype(np.float32)
    held = labelled_reference(x[:512], rng)
    of = complete(x[512:], rng)
    assert np.isfinite(measured(detector, encoded_again(of, of.vectors), held).value)


@EVERY
def test_the_smallest_reference_is_measured_or_refused_with_a_reason(detector: Detector, windows: list[Window]):
    rng = np.random.default_rng(5)
    held = labelled_reference(s1(2, rng), rng)
    refusing = {"classifier", "context_mmd", "effective_rank", "joint", "lsdd", "mean_shift", "novelty", *LABELLED}
    if detector.name in refusing | {"online", "sliced_wasserstein"}:
        with pytest.raises(UnmeasurableError, match=rf"{detector.name} needs .*{held.stream}.*: "):
            measured(detector, windows[0], held)
    else:
        assert np.isfinite(measured(detector, windows[0], held).value)


@EVERY
def test_needs_nothing_that_its_statistic_does_not_use(detector: Detector, healthy: Reference, windows: list[Window]):
    bare = window(windows[0].vectors)
    if detector.name in ("context_mmd", "skew", *LABELLED):
        with pytest.raises(UnmeasurableError, match="send `"):
            measured(detector, bare, healthy)
    else:
        assert measured(detector, bare, healthy) == measured(detector, windows[0], healthy)


@EVERY
def test_half_precision_gives_the_same_number(detector: Detector, healthy: Reference, windows: list[Window]):
    of = windows[0]
    assert of.recomputed is not None
    halved = of.vectors.astype(np.float16).astype(np.float32)
    rounded = encoded_again(replace(of, rows=replace(of.rows, vectors=halved)), of.recomputed.vectors)
    one, two = measured(detector, of, healthy), measured(detector, rounded, healthy)
    # One row may change sides of a threshold by rounding.
    assert two.value == pytest.approx(one.value, rel=0.05, abs=1 / 128)


@EVERY
def test_a_large_common_offset_or_one_loud_dimension_is_no_drift(detector: Detector):
    """Encoders whose mean cosine is .9999, and such with one dimension of another size, are healthy too.

    Of `joint`, which takes its time, half as many windows: where digits are lost, most of them alarm.
    """
    windows = 20 if detector.name == "joint" else 40
    for spoil in (lambda x: x + 100 * np.eye(1, 384, 5), lambda x: x * np.where(np.arange(384) == 5, 300, 1)):
        rng = np.random.default_rng(6)
        held = labelled_reference(spoil(s1(2048, rng)).astype(np.float32), rng)
        taken = [
            measured(detector, complete(spoil(s1(128, rng)).astype(np.float32), rng), held) for _ in range(windows)
        ]
        assert all(np.isfinite(m.value) for m in taken)
        if detector.is_test:
            assert np.sum([m.p_value <= 0.05 for m in taken]) <= most_by_chance(windows, 0.12)


@EVERY
def test_a_window_far_beyond_the_reference_is_measured(detector: Detector):
    """Lengths that nothing normalises, however large, are a finding and no failure."""
    rng = np.random.default_rng(7)
    held = labelled_reference(normalise(s1(2048, rng) + 100 * np.eye(1, 384, 5)), rng)
    for scale in (10, 1e4, 1e8, 1e14):
        rows = (scale * normalise(s1(128, rng) + 100 * np.eye(1, 384, 5))).astype(np.float32)
        found = measured(detector, complete(rows, rng), held)
        assert np.isfinite(found.value)
        if detector.is_test:
            assert 0 < found.p_value <= 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; every other test is its twin")
@EVERY
def test_a_gpu_gives_the_number_of_the_cpu(
    detector: Detector, healthy: Reference, windows: list[Window], monkeypatch: pytest.MonkeyPatch
):
    on_gpu = measured(detector, windows[0], replace(healthy))
    monkeypatch.setattr("detectors.kernels.device", lambda: torch.device("cpu"))
    monkeypatch.setattr("detectors.arrays.device", lambda: torch.device("cpu"))
    on_cpu = measured(detector, windows[0], replace(healthy))
    # One row may change sides of a threshold by rounding.
    assert on_gpu.value == pytest.approx(on_cpu.value, rel=1e-3, abs=1 / 128)
