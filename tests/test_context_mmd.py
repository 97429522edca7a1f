import numpy as np
import pytest
from oracles import gram, mmd2_by_definition
from samples import least_by_chance, measured, most_by_chance, reference, window

from detectors import ContextMmd, Mmd
from detectors.context_mmd import shared
from detectors.permuting import gaussian_block
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import EPOCH, Reference, Rows

CENTRES = 2 * np.random.default_rng(9).standard_normal((4, 6))
NAMES = ("de", "en", "fr", "it")


def draw(n: int, mix: tuple[float, ...], rng: np.random.Generator) -> tuple[np.ndarray, tuple[str, ...]]:
    """Rows about one centre for each language, in these shares."""
    of = rng.choice(4, n, p=mix)
    return (CENTRES[of] + rng.standard_normal((n, 6))).astype(np.float32), tuple(NAMES[i] for i in of)


EVEN, SKEWED = (0.25,) * 4, (0.7, 0.1, 0.1, 0.1)


def test_is_the_mean_over_rows_of_what_each_context_shows():
    rng = np.random.default_rng(0)
    (x, ours), (y, theirs) = draw(100, SKEWED, rng), draw(300, EVEN, rng)
    held = reference(y, labels=theirs)
    value = measured(ContextMmd(permutations=9), window(x, labels=ours), held).value
    scales = gaussian_block(held, "context_mmd", 2560, (0.25, 1.0)).kernel.scales
    parts = []
    for name in NAMES:
        mine, known = x[np.array(ours) == name], y[np.array(theirs) == name]
        k = gram(np.concatenate([mine, known]).astype(float), scales)
        parts.append(len(mine) / 100 * mmd2_by_definition(k, np.arange(len(k)) < len(mine)))
    assert value == pytest.approx(sum(parts), abs=1e-5)


def test_a_changed_mix_keeps_the_level():
    """While a test of all rows together takes it for drift."""
    rng, trials = np.random.default_rng(1), 200
    p, plain = [], []
    for _ in range(trials):
        (x, ours), (y, theirs) = draw(80, SKEWED, rng), draw(300, EVEN, rng)
        of, held = window(x, labels=ours), reference(y, labels=theirs)
        p.append(measured(ContextMmd(permutations=99), of, held).p_value)
        plain.append(measured(Mmd(permutations=99), of, held).p_value)
    for alpha in (0.05, 0.1):
        assert least_by_chance(trials, alpha) <= np.sum(np.array(p) <= alpha) <= most_by_chance(trials, alpha)
    assert np.mean(np.array(plain) <= 0.05) > 0.9


def test_a_change_within_one_context_is_found_under_a_changed_mix():
    rng = np.random.default_rng(2)
    y, theirs = draw(2000, EVEN, rng)
    x, ours = draw(256, SKEWED, rng)
    x[np.array(ours) == "de"] += 0.5
    assert measured(ContextMmd(), window(x, labels=ours), reference(y, labels=theirs)).p_value <= 0.005


def test_contexts_on_one_side_only_are_left_out_and_counted():
    rng = np.random.default_rng(3)
    (x, ours), (y, theirs) = draw(200, EVEN, rng), draw(600, EVEN, rng)
    ours = tuple("es" if name == "it" else name for name in ours)
    theirs = tuple(None if name == "fr" else name for name in theirs)
    found = measured(ContextMmd(), window(x, labels=ours), reference(y, labels=theirs))
    assert found.rows == sum(name in ("de", "en") for name in ours)
    assert found.p_value > 0.005
    with pytest.raises(TooFewRowsError, match=r"at least 64 rows of contexts that .* has 0: "):
        measured(ContextMmd(), window(x, labels=("es",) * 200), reference(y, labels=theirs))


def test_a_segment_may_be_the_context():
    rng = np.random.default_rng(4)
    (x, ours), (y, theirs) = draw(200, SKEWED, rng), draw(600, EVEN, rng)
    held = Reference("search", Rows(y, segments={"language": theirs}), EPOCH)
    of = window(x, segments={"language": ours})
    assert measured(ContextMmd(context="language"), of, held).p_value > 0.005
    with pytest.raises(MissingLabelsError, match="has no column 'tenant': send `tenant`"):
        measured(ContextMmd(context="tenant"), of, held)


def test_rows_are_shared_by_name_where_both_sides_have_four():
    window_side, reference_side = ("a",) * 4 + ("b",) * 3 + (None,) * 9, ("b",) * 9 + ("a",) * 5
    assert list(shared(window_side, reference_side)) == [([0, 1, 2, 3], [9, 10, 11, 12, 13])]
