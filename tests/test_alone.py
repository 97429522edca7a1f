from pkgutil import iter_modules

import numpy as np
import pytest
import torch
from samples import labels_of, reference, s1, window

import detectors
from detectors import DETECTORS, hold, measure
from detectors.base import Detector
from drift.errors import BadArgumentError, BadReferenceError, MissingLabelsError, UnmeasurableError
from drift.records import Rows


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return s1(256, rng), s1(2048, rng)


def test_three_lines_give_what_the_service_gives():
    x, y = arrays()
    held = hold(y)
    found = measure(detectors.Mmd(), x, held)
    as_served = detectors.Mmd().measure(window(x), reference(held.vectors), rng=np.random.default_rng(0))
    assert (found.value, found.p_value) == (as_served.value, as_served.p_value)
    assert measure(detectors.Mmd(), x, y) == found


def test_no_function_or_class_hides_a_module():
    """`import detectors.probe as m` would give the function where both have one name."""
    assert not {module.name for module in iter_modules(detectors.__path__)} & set(detectors.__all__)


@pytest.mark.parametrize("cls", DETECTORS.values(), ids=list(DETECTORS))
def test_every_detector_is_exported_and_takes_arrays(cls: type[Detector]):
    x, y = arrays()
    rng = np.random.default_rng(1)
    window, held = Rows(x, labels=labels_of(x, rng)), Rows(y, labels=labels_of(y, rng))
    assert getattr(detectors, cls.__name__) is cls
    assert np.isfinite(measure(cls(), window, held, encoded_again=x).value)
    given = labels_of(x, rng), labels_of(y, rng)
    assert np.isfinite(measure(cls(), x, y, labels=given[0], reference_labels=given[1], encoded_again=x).value)


def test_the_order_of_the_reference_does_not_bias_its_halves():
    """Sorted by a direction, its halves are two places; a probe of half of it would not know the other half's."""
    x, y = arrays()
    ordered = y[np.argsort(y @ y.mean(0))]
    value = measure(detectors.Novelty(), x, ordered).value
    assert value < 0.05
    assert detectors.Novelty().measure(window(x), reference(ordered), rng=np.random.default_rng(0)).value != value


def test_tensors_and_half_precision_will_do():
    x, y = arrays()
    one = measure(detectors.VarianceRatio(), torch.from_numpy(x).half(), y)
    two = measure(detectors.VarianceRatio(), x.astype(np.float16), y.astype(np.float64))
    assert one.value == two.value == pytest.approx(measure(detectors.VarianceRatio(), x, y).value, rel=1e-3)


def test_rows_carry_labels():
    x, y = arrays()
    rng = np.random.default_rng(2)
    held = Rows(y, labels=labels_of(y, rng))
    assert measure(detectors.Probe(), Rows(x, labels=labels_of(x, rng)), held).value > 0.5
    with pytest.raises(MissingLabelsError, match="send `label`"):
        measure(detectors.Probe(), x, held)


def test_labels_may_be_plain_arguments():
    x, y = arrays()
    rng = np.random.default_rng(2)
    known, seen = labels_of(y, rng), labels_of(x, rng)
    in_rows = measure(detectors.Probe(), Rows(x, labels=seen), Rows(y, labels=known))
    assert measure(detectors.Probe(), x, y, labels=seen, reference_labels=list(known)) == in_rows
    held = hold(y, labels=known)
    assert measure(detectors.Probe(), x, held, labels=seen) == in_rows
    with pytest.raises(BadArgumentError, match=r"hold\(reference, labels=\.\.\.\)"):
        measure(detectors.Probe(), x, held, labels=seen, reference_labels=known)
    with pytest.raises(UnmeasurableError, match="labels needs one label for each of 256 rows, it has 255"):
        measure(detectors.Probe(), x, held, labels=seen[1:])
    with pytest.raises(BadReferenceError, match="reference_labels needs one label for each of 2048 rows, it has 2047"):
        hold(y, labels=known[1:])


def test_what_an_encoder_gives_may_be_a_plain_argument():
    x, y = arrays()
    again = x.copy()
    again[:64] = x[64:128]
    assert measure(detectors.Skew(), x, y, encoded_again=again).value == 64 / 256
    with pytest.raises(UnmeasurableError, match="encoded_again needs one vector for each of the window's 256 rows"):
        measure(detectors.Skew(), x, y, encoded_again=again[1:])
    with pytest.raises(UnmeasurableError, match="encoded_again and window need vectors of one length"):
        measure(detectors.Skew(), x, y, encoded_again=again[:, 1:])


def test_what_cannot_be_used_is_refused_by_side_and_row():
    x, y = arrays()
    for spoilt in (0, np.nan, np.inf):
        bad = x.copy()
        bad[7] = spoilt
        with pytest.raises(UnmeasurableError, match=r"window needs .* row 7 "):
            measure(detectors.Mmd(), bad, y)
        with pytest.raises(BadReferenceError, match=r"reference needs .* row 7 "):
            hold(bad)
        with pytest.raises(UnmeasurableError, match=r"window needs .* row 7 "):
            measure(detectors.Mmd(), Rows(bad), y)
    with pytest.raises(
        UnmeasurableError, match="window and reference need vectors of one length, they have 10 and 384"
    ):
        measure(detectors.Mmd(), x[:, :10], y)
    with pytest.raises(BadReferenceError, match="at least 2 different rows"):
        hold(y[:1])
