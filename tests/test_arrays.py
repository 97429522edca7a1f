from inspect import unwrap

import numpy as np
import pytest
import torch

from detectors.arrays import _rows, as_labels, as_reference, as_rows, as_wide_rows, require_same_width
from drift.errors import BadReferenceError, TooFewRowsError, UnmeasurableError


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


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("<f2", torch.float32),
        ("<f4", torch.float32),
        (">f4", torch.float32),
        ("<f8", torch.float64),
        (">f8", torch.float64),
    ],
)
def test_digits_that_centring_needs_are_kept(kind: str, kept: torch.dtype):
    x = np.array([[1e5 + 1e-4, 1], [2, 3]]).clip(max=6e4 if kind == "<f2" else None).astype(kind)
    for given in (x, torch.from_numpy(x.astype(x.dtype.newbyteorder("=")))):
        for rows in (as_wide_rows(given, "x", 1), as_reference(given)):
            assert rows.dtype == kept
            assert rows.tolist() == x.tolist()
    assert as_wide_rows(torch.ones(2, 2, dtype=torch.bfloat16), "x", 1).dtype == torch.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39, 2e15])
def test_the_first_row_with_a_number_that_cannot_be_used_is_named(bad: float):
    x = np.zeros((6, 2))
    x[3, 1] = x[5, 0] = bad
    for given in (x, torch.from_numpy(x)):
        with pytest.raises(UnmeasurableError, match=r"window needs finite .* row 3 has others, 2 of 6 rows"):
            as_rows(given, "window", 1)


@pytest.mark.parametrize("tiny", [1e-16, 1e-30])
def test_vectors_whose_squares_would_vanish_are_refused(tiny: float):
    """A permutation test of them gave a p-value of 0."""
    x = np.random.default_rng(0).standard_normal((50, 1)) * tiny
    for given in (x, torch.from_numpy(x)):
        with pytest.raises(UnmeasurableError, match=r"x needs numbers of 1e-15 or more, its largest is .*: scale all"):
            as_rows(given, "x", 1)
    assert not as_rows(0 * x, "x", 1).any()
    assert as_rows(np.array([[1.0], [tiny]]), "x", 1).tolist()[0] == [1]


def test_infinity_in_half_precision_is_not_the_largest_number():
    with pytest.raises(UnmeasurableError, match=r"row 0 has others, 2 of 2 rows"):
        as_wide_rows(np.full((2, 2), np.inf, np.float16), "x", 1)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((0, 2)), "at least 1 rows, it has 0"),
        (np.ones((5, 2)), "rows that differ, all 5 are equal"),
        (np.ones((5, 2), bool), "numbers, it has booleans"),
        (np.full((5, 2), np.nan), "finite numbers up to 1e\\+15, row 0"),
    ],
)
def test_what_is_no_reference_is_refused_as_one(x: np.ndarray, reason: str):
    with pytest.raises(BadReferenceError, match=f"reference needs {reason}"):
        as_reference(x)


def test_too_few_rows_are_refused():
    with pytest.raises(TooFewRowsError, match=r"window needs at least 4 rows, it has 3"):
        as_rows(np.zeros((3, 2)), "window", 4)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 1), (3, 0)])
def test_other_shapes_are_refused(shape: tuple[int, ...]):
    with pytest.raises(UnmeasurableError, match=r"shape \(n, d\)"):
        as_rows(np.zeros(shape), "x", 1)


@pytest.mark.parametrize(
    "given", [np.zeros((3, 2), np.complex64), torch.zeros(3, 2, dtype=torch.complex64), np.zeros((1, 1), "U1")]
)
def test_other_types_are_refused(given: np.ndarray | torch.Tensor):
    with pytest.raises(UnmeasurableError, match=r"x needs floating-point or whole numbers, it has"):
        as_rows(given, "x", 1)


def test_what_is_no_array_is_refused():
    """As callers meet it: without the checks of types that tests add."""
    with pytest.raises(UnmeasurableError, match=r"x needs a numpy array .* it has list: pass np.asarray"):
        unwrap(_rows)([[1.0]], "x", 1, torch.float32)


def test_vectors_of_two_lengths_are_refused():
    require_same_width(2, 2, ("x", "y"))
    with pytest.raises(UnmeasurableError, match=r"x and y need vectors of one length, they have 2 and 3"):
        require_same_width(2, 3, ("x", "y"))


@pytest.mark.parametrize(
    "given", [["a", None, "1"], np.array(["a", None, "1"], object), ["a", None, 1], ("a", None, np.int64(1))]
)
def test_labels_are_read_as_text(given):
    assert as_labels(given, "labels", 3) == ("a", None, "1")


def test_labels_that_are_no_labels_are_refused_by_name():
    with pytest.raises(UnmeasurableError, match="labels needs one label for each of 3 rows, it has 2: use None"):
        as_labels(["a", "b"], "labels", 3)
    with pytest.raises(UnmeasurableError, match=r"labels needs text or whole numbers, it has 0\.5: convert it"):
        as_labels(np.array([0.5, 1.0]), "labels", 2)


@pytest.mark.parametrize("given", ["ab", None, 3, b"ab"])
def test_what_is_no_list_of_labels_is_refused(given):
    """As callers meet it: without the checks of types that tests add."""
    with pytest.raises(UnmeasurableError, match="labels needs a list or an array with one label for each row, it is"):
        unwrap(as_labels)(given, "labels", 2)


def test_what_numbers_are_hidden_of_is_refused():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    with pytest.raises(UnmeasurableError, match=r"window needs all of its numbers, some are masked"):
        as_rows(np.ma.masked_greater(x, 4), "window", 1)
    assert as_rows(np.ma.masked_greater(x, 9), "window", 1).tolist() == x.tolist()
    for given, what in (
        (torch.from_numpy(x).to_sparse(), "sparse_coo on cpu"),
        (torch.empty(3, 2, device="meta"), "meta"),
    ):
        with pytest.raises(UnmeasurableError, match=rf"window needs a dense tensor with numbers, it is torch.*{what}"):
            as_rows(given, "window", 1)
