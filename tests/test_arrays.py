import numpy as np
import pytest
import torch

from detectors.arrays import as_rows, require_same_width
from drift.errors import TooFewRowsError, UnmeasurableError


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_arrays_and_tensors_of_any_floating_point_type_become_float32(kind: type):
    x = np.arange(6, dtype=kind).reshape(3, 2)
    for given in (x, np.asfortranarray(x)[::-1][::-1], torch.from_numpy(x).requires_grad_()):
        rows = as_rows(given, "x", 1)
        assert rows.dtype == torch.float32
        assert rows.tolist() == x.tolist()
        assert not rows.requires_grad


def test_the_rows_are_a_copy():
    x = np.ones((2, 2), np.float32)
    x.setflags(write=False)
    for given in (x, torch.ones(2, 2)):
        rows = as_rows(given, "x", 1)
        rows += 1
        assert float(given.sum()) == 4


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_the_first_row_that_is_not_finite_is_named(bad: float):
    x = np.zeros((6, 2))
    x[3, 1] = x[5, 0] = bad
    for given in (x, torch.from_numpy(x)):
        with pytest.raises(UnmeasurableError, match=r"window needs finite .* row 3 has others, 2 of 6 rows"):
            as_rows(given, "window", 1)


def test_too_few_rows_are_refused():
    with pytest.raises(TooFewRowsError, match=r"window needs at least 4 rows, it has 3"):
        as_rows(np.zeros((3, 2)), "window", 4)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 1), (3, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(UnmeasurableError, match=r"shape \(n, d\)"):
        as_rows(np.zeros(shape), "x", 1)


@pytest.mark.parametrize(
    "given", [np.zeros((3, 2), np.int8), torch.zeros(3, 2, dtype=torch.bool), np.zeros((1, 1), "U1")]
)
def test_other_types_are_refused(given: np.ndarray | torch.Tensor):
    with pytest.raises(UnmeasurableError, match=r"floating-point vectors"):
        as_rows(given, "x", 1)


def test_vectors_of_two_lengths_are_refused():
    require_same_width(torch.zeros(3, 2), torch.zeros(4, 2), ("x", "y"))
    with pytest.raises(UnmeasurableError, match=r"x and y need vectors of one length, they have 2 and 3"):
        require_same_width(torch.zeros(3, 2), torch.zeros(4, 3), ("x", "y"))
