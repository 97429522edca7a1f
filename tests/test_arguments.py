"""A wrong parameter of a public function is named, with its value and what would be right; so are warnings."""

import warnings
from collections.abc import Callable
from functools import partial
from inspect import unwrap
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import detectors
from detectors import Panel, collapse, hold, measure, mmd_permutation_test, probe
from detectors.arguments import as_segments, require_whole
from detectors.panel.calibration import require_own
from drift.errors import BadArgumentError, CopiedRowsWarning, DriftError, LevelWarning, UnmeasurableError

X = np.random.default_rng(0).standard_normal((600, 4)).astype(np.float32)
LABELS = ["a", "b"] * 300

# As callers meet them: without the checks of types that tests add.
FUNCTIONS: dict[str, Callable[..., object]] = {
    "mmd_permutation_test": partial(unwrap(mmd_permutation_test), X[:50], X[50:100]),
    "Panel.fit": lambda **wrong: unwrap(Panel.fitted.__func__)(
        Panel, X, **{"window_size": 15, "alpha": 0.01, "seed": 0, **wrong}
    ),
    "measure": partial(unwrap(measure), detectors.VarianceRatio(), X, X),
    "hold": partial(unwrap(hold), X),
    "collapse": partial(unwrap(collapse), X[:100], X),
    "probe": partial(unwrap(probe), X, LABELS, X, LABELS),
    "compare_versions": partial(unwrap(detectors.compare_versions), X, X),
    "kept_neighbours": partial(unwrap(detectors.kept_neighbours), X, X),
    "estimate_accuracy": lambda **wrong: unwrap(detectors.estimate_accuracy)(
        X, X, LABELS, **{"skew_healthy": True, **wrong}
    ),
    "Online.fit": lambda **wrong: unwrap(detectors.Online.fit.__func__)(
        detectors.Online, X, **{"expected_run_time": 80, "window_size": 8, **wrong}
    ),
    "PairedSequence.rules_out": partial(unwrap(detectors.PairedSequence.rules_out), detectors.PairedSequence()),
}
SEEDED = [name for name in FUNCTIONS if name not in ("compare_versions", "kept_neighbours", "PairedSequence.rules_out")]
WHOLE = [
    *product(SEEDED, ["seed"], [0]),
    ("mmd_permutation_test", "permutations", 1),
    ("Panel.fit", "window_size", 2),
    ("Panel.fit", "nulls", 19),
    ("Panel.fit", "clusters", 1),
    ("collapse", "null_windows", 10),
    ("collapse", "most_rows", 16),
    ("probe", "neighbours", 1),
    ("probe", "k", 1),
    ("compare_versions", "neighbours", 1),
    ("kept_neighbours", "neighbours", 1),
    ("Online.fit", "window_size", 2),
    ("Online.fit", "expected_run_time", 80),
]


@pytest.mark.parametrize(("function", "name", "least"), WHOLE)
def test_what_is_no_whole_number_in_range_is_named(function: str, name: str, least: int):
    for wrong in (least - 1, least + 0.5, "7", True, None, np.nan):
        with pytest.raises(BadArgumentError) as refused:
            FUNCTIONS[function](**{name: wrong})
        said = f"{function} needs {name} to be a whole number, at least {least}, it is {wrong!r}"
        assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    ("function", "name"),
    [("Panel.fit", "alpha"), ("probe", "alpha"), ("PairedSequence.rules_out", "loss")],
)
def test_a_share_out_of_range_is_named(function: str, name: str):
    for wrong in (1.0, -0.1, "x", np.nan, True):
        with pytest.raises(BadArgumentError) as refused:
            FUNCTIONS[function](**{name: wrong})
        assert str(refused.value).startswith(f"{function} needs {name} above 0 and below 1, it is {wrong!r}")


def test_other_parameters_are_named_too(panel: Panel):
    for wrong in (1.0, -0.1, "x", np.nan, True, np.ones(2)):
        with pytest.raises(BadArgumentError, match=r"Panel.fit needs min_effect of at least 0 and below 1, it is"):
            FUNCTIONS["Panel.fit"](min_effect=wrong)
    for wrong in ("x", 3, [1.0], np.ones(3)):
        with pytest.raises(BadArgumentError, match=r"Panel.fit needs bank to be"):
            unwrap(require_own)(wrong, X[0])
    for wrong in (3, "ab", 0.5):
        with pytest.raises(BadArgumentError, match="panel needs segments to be a list of text, one for each row"):
            unwrap(as_segments)(wrong, 2)
        with pytest.raises(BadArgumentError, match="estimate_accuracy needs skew_healthy to be True, False or None"):
            FUNCTIONS["estimate_accuracy"](skew_healthy=wrong)
        with pytest.raises(BadArgumentError, match=r"collapse needs accuracy to be one that detectors.probe gives"):
            FUNCTIONS["collapse"](accuracy=wrong)
    for wrong in ((), (0.5, -1.0), (np.nan,), 0.5, "x"):
        with pytest.raises(BadArgumentError, match=r"mmd_permutation_test needs .*bandwidth"):
            FUNCTIONS["mmd_permutation_test"](bandwidths=wrong)
    with pytest.raises(BadArgumentError, match="probe needs strength above 0, it is 0"):
        FUNCTIONS["probe"](strength=0)
    with pytest.raises(BadArgumentError, match=r"Panel.test needs rng from numpy.random.default_rng\(seed\), it is 3"):
        unwrap(Panel.tested)(panel, X[:20], rng=3)
    for wrong in (detectors.Energy, "energy"):
        with pytest.raises(BadArgumentError, match=r"measure needs a detector, such as detectors.Energy\(\), it is"):
            unwrap(measure)(wrong, X, X)


def test_whoever_catches_what_numpy_raises_catches_it():
    assert issubclass(BadArgumentError, ValueError)
    assert issubclass(BadArgumentError, DriftError)


def test_whole_numbers_of_numpy_are_whole_numbers():
    for given in (3, np.int64(3), np.uint8(3)):
        require_whole("f", "seed", given, 3)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64])
def test_quantised_embeddings_count_as_they_are(kind: type):
    x, y = ((20 * X[i : i + 64] + 100).clip(0, 127).astype(kind) for i in (0, 64))
    wide = np.float64 if kind is np.int64 else np.float32
    plain = mmd_permutation_test(x.astype(wide), y.astype(wide), 50)
    assert mmd_permutation_test(x, y, 50) == plain
    assert mmd_permutation_test(torch.from_numpy(x), torch.from_numpy(y), 50) == plain
    assert measure(detectors.VarianceRatio(), x, y).value == measure(detectors.VarianceRatio(), 1.0 * x, 1.0 * y).value


def test_booleans_are_refused_with_what_to_do():
    for given in (X > 0, torch.from_numpy(X > 0)):
        with pytest.raises(UnmeasurableError, match=r"x needs numbers, it has booleans: .* x.astype\(np.float32\)"):
            mmd_permutation_test(given, X)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.fit(X, 15, nulls=19)


def test_a_reference_that_is_too_small_is_warned_of_with_what_is_missing():
    with pytest.warns(LevelWarning, match="it has 600: add 200 rows or fit smaller windows") as told:
        small = unwrap(Panel.fit.__func__)(Panel, X, 20, nulls=19)
    assert told[0].filename == __file__
    assert str(told[0].message) == small.warning
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Panel.fit(X, 15, nulls=19).warning == ""
        Panel.fitted(X, 20, 0.01, 0, nulls=19)


def test_many_copies_are_warned_of(panel: Panel):
    copied = np.repeat(X[:8], 2, 0)[:15]
    with pytest.warns(CopiedRowsWarning, match="7 of the 15 rows tested are copies of others") as told:
        result = unwrap(Panel.test)(panel, copied)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert panel.test(X[:15]).copies == 0
        assert panel.tested(copied).copies == result.copies == 7


def test_a_panel_is_one_short_line(panel: Panel):
    assert repr(panel) == "Panel(window_size=15, dimensions=4, nulls=19, alpha=0.01, seed=0)"
    small = repr(Panel.fitted(X, 20, 0.01, 0, nulls=19))
    assert small == "Panel(window_size=20, dimensions=4, nulls=19, alpha=0.01, seed=0, level halved)"


def test_rows_of_other_types_are_refused_with_what_would_be_right():
    """As callers meet it: without the checks of types that tests add."""
    make = unwrap(detectors.Rows.__post_init__)
    for wrong, said in ((X.tolist(), "a list"), (X.astype(float), "float64 of shape"), (X[0], "float32 of shape")):
        with pytest.raises(BadArgumentError, match=f"Rows needs vectors as a float32 array .* they are {said}"):
            make(SimpleNamespace(vectors=wrong))
    columns = {
        "ids": (),
        "inputs": (),
        "labels": np.array(LABELS),
        "sessions": (),
        "encoder_versions": (),
        "segments": {},
    }
    with pytest.raises(BadArgumentError, match=r"Rows needs labels to be a tuple, it is .*: tuple\(labels\)"):
        make(SimpleNamespace(vectors=X, times=None, **columns))
