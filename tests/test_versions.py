import numpy as np
import numpy.typing as npt
import pytest
import torch
from oracles import Matrix
from samples import normalise, rotation, s1

from detectors import compare_versions, kept_neighbours, versions
from detectors.alignment import cka, hsic, procrustes_residual
from detectors.versions import Compatibility, verdict
from drift.errors import TooFewRowsError, UnmeasurableError


def gaussians(n: int = 40, d: int = 6, seed: int = 0) -> torch.Tensor:
    x = torch.from_numpy(np.random.default_rng(seed).standard_normal((n, d)))
    return x - x.mean(0)


def hsic_by_definition(x: Matrix, y: Matrix) -> float:
    """Song et al. (2012), equation 5, with the two matrices of all pairs."""
    k, m, n = x @ x.T, y @ y.T, len(x)
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    whole = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + whole - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


def neighbours_by_definition(queries: npt.NDArray[np.floating], index: npt.NDArray[np.floating]) -> list[set[int]]:
    cosines = normalise(queries) @ normalise(index).T
    np.fill_diagonal(cosines, -2)
    return [set(np.argsort(-row)[:10].tolist()) for row in cosines]


def share_in_common(p: list[set[int]], q: list[set[int]]) -> float:
    return sum(len(a & b) for a, b in zip(p, q, strict=True)) / (10 * len(p))


@pytest.fixture(scope="module")
def vectors() -> npt.NDArray[np.float32]:
    return s1(1000, np.random.default_rng(0))


def test_the_unbiased_hsic_needs_no_matrix_of_pairs():
    x, y = gaussians(seed=1), gaussians(d=9, seed=2)
    assert hsic(x, y) == pytest.approx(hsic_by_definition(x.numpy(), y.numpy()), rel=1e-9)
    assert hsic(x, y) == pytest.approx(hsic_by_definition(x.numpy() + 3, y.numpy() - 1), rel=1e-9)


def test_independent_vectors_have_no_alignment_where_the_biased_estimator_sees_much():
    """Case A14."""
    found = [(gaussians(500, 384, 2 * i), gaussians(500, 384, 2 * i + 1)) for i in range(3)]
    assert max(abs(cka(x, y)) for x, y in found) <= 0.02
    x, y = found[0]
    biased = (x.mT @ y).square().sum() / ((x.mT @ x).norm() * (y.mT @ y).norm())
    assert float(biased) == pytest.approx(0.44, abs=0.02)


def test_alignment_ignores_rotation_scale_and_shift():
    x, y = gaussians(60), gaussians(60) + 0.5 * gaussians(60, seed=3)
    turned = 7 * y @ torch.from_numpy(rotation(6, np.random.default_rng(1)))
    assert cka(x, turned) == pytest.approx(cka(x, y), rel=1e-9)
    assert cka(x, x) == pytest.approx(1)


def test_a_rotation_scale_and_shift_leave_no_residual():
    x = gaussians(60)
    y = 0.3 * x @ torch.from_numpy(rotation(6, np.random.default_rng(1)))
    assert procrustes_residual(x, y) == pytest.approx(0, abs=1e-12)
    wider = torch.nn.functional.pad(y, (0, 3)) @ torch.from_numpy(rotation(9, np.random.default_rng(2)))
    assert procrustes_residual(x, wider) == pytest.approx(0, abs=1e-12)


def test_the_residual_is_what_the_best_rotation_and_scale_leave():
    x, y = gaussians(60), gaussians(60) + 0.5 * gaussians(60, seed=3)
    u, s, v = torch.linalg.svd(x.mT @ y)
    left = y - s.sum() / x.square().sum() * x @ u @ v
    assert procrustes_residual(x, y) == pytest.approx(float(left.square().sum() / y.square().sum()))
    assert procrustes_residual(gaussians(5000, 6, 5), gaussians(5000, 6, 6)) > 0.99


def test_the_residual_of_few_rows_with_many_dimensions_is_the_same_number():
    x, y = gaussians(10, 30), gaussians(10, 20, seed=3)
    explained = torch.linalg.svdvals(x.mT @ y).sum() ** 2 / (x.square().sum() * y.square().sum())
    assert procrustes_residual(x, y) == pytest.approx(float(1 - explained))


def test_a_shift_of_all_vectors_is_repairable_and_loses_nothing():
    x = gaussians(200).numpy()
    found = compare_versions(x, x + 3)
    assert found.procrustes_residual == pytest.approx(0, abs=1e-9)
    assert found.cka == pytest.approx(1)


@pytest.mark.parametrize("tile", [7, 1024])
def test_neighbours_and_pairs_are_those_of_the_definitions(tile: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(versions, "TILE", tile)
    x = gaussians(64).numpy() + 0.3
    y = x + 0.4 * gaussians(64, seed=4).numpy()
    found = compare_versions(x, y)
    of_x, of_y = neighbours_by_definition(x, x), neighbours_by_definition(y, y)
    assert found.overlap == pytest.approx(share_in_common(of_x, of_y))
    assert found.cross_recall == pytest.approx(share_in_common(of_x, neighbours_by_definition(y, x)))
    upper = np.triu_indices(64, 1)
    cosines = [(normalise(v) @ normalise(v).T)[upper] for v in (x, y)]
    assert found.rsa == pytest.approx(np.corrcoef(cosines)[0, 1], abs=1e-5)
    paired = (normalise(x).astype(float) * normalise(y)).sum(1)
    assert found.cosine == pytest.approx(paired.mean(), abs=1e-6)
    assert found.cosine_p01 == pytest.approx(np.quantile(paired, 0.01), abs=1e-6)


def test_a_rotation_is_the_wrong_version_and_no_loss(vectors: npt.NDArray[np.float32]):
    found = compare_versions(vectors, vectors @ rotation(384, np.random.default_rng(1)))
    assert found.verdict is Compatibility.WRONG_VERSION
    assert abs(found.cosine) < 0.2
    assert found.cross_recall < 0.1
    assert [found.cka, found.rsa, found.overlap] == pytest.approx([1, 1, 1], abs=2e-3)
    assert found.procrustes_residual == pytest.approx(0, abs=1e-5)


def test_the_same_vectors_at_less_precision_are_compatible(vectors: npt.NDArray[np.float32]):
    for given in (vectors, vectors.astype(np.float16), torch.from_numpy(vectors).bfloat16()):
        found = compare_versions(vectors, given)
        assert found.verdict is Compatibility.COMPATIBLE
        assert min(found.cosine_p01, found.cka, found.rsa) > 0.999
        assert found.cross_recall > 0.97


@pytest.mark.parametrize("factor", [3.0, np.geomspace(0.1, 10, 1000)[:, None]])
def test_other_lengths_are_told_where_cosines_do_not_see_them(factor: object, vectors: npt.NDArray[np.float32]):
    found = compare_versions(vectors, vectors * factor)
    assert found.verdict is Compatibility.LENGTHS_DIFFER
    assert found.cosine_p01 == pytest.approx(1)
    ratios = np.broadcast_to(factor, (1000, 1))
    assert [found.length_p01, found.length_p99] == pytest.approx(np.quantile(ratios, [0.01, 0.99]), rel=1e-5)


def test_other_vectors_for_the_same_inputs_are_different(vectors: npt.NDArray[np.float32]):
    found = compare_versions(vectors, s1(1000, np.random.default_rng(1)))
    assert found.verdict is Compatibility.DIFFERENT
    assert abs(found.cka) < 0.05
    assert max(found.cross_recall, found.overlap) < 0.03
    assert abs(found.rsa) < 0.02
    assert found.procrustes_residual > 0.5


def test_vectors_of_another_length_are_judged_by_information_alone(vectors: npt.NDArray[np.float32]):
    wider = np.pad(vectors, ((0, 0), (0, 16))) @ rotation(400, np.random.default_rng(1))
    found = compare_versions(vectors, wider)
    assert (found.cosine, found.cosine_p01, found.cross_recall) == (None, None, None)
    assert found.verdict is Compatibility.REPAIRABLE
    assert found.overlap > 0.99


def test_a_small_turn_is_repairable(vectors: npt.NDArray[np.float32]):
    skew = np.random.default_rng(2).standard_normal((384, 384)) / 384**0.5
    turn = torch.matrix_exp(torch.from_numpy(0.25 * (skew - skew.T))).numpy()
    found = compare_versions(vectors, vectors @ turn)
    assert 0.5 < found.cross_recall < 0.9
    assert found.verdict is Compatibility.REPAIRABLE


@pytest.mark.parametrize(
    ("recall", "alignment", "residual", "expected"),
    [
        (0.983, 0.9997, 0.0004, Compatibility.COMPATIBLE),
        (0.005, 1.0, 0.0, Compatibility.WRONG_VERSION),
        (0.771, 0.955, 0.039, Compatibility.REPAIRABLE),
        (0.781, 0.935, 0.087, Compatibility.DIFFERENT),
        (0.568, 0.693, 0.320, Compatibility.DIFFERENT),
        (0.472, 0.755, 0.235, Compatibility.DIFFERENT),
        (None, 0.99, 0.01, Compatibility.REPAIRABLE),
        (None, 0.5, 0.01, Compatibility.DIFFERENT),
    ],
)
def test_the_measured_faults_get_their_names(
    recall: float | None, alignment: float, residual: float, expected: Compatibility
):
    # int8 weights, rotation, "query: " prefix, 8-bit activations, truncation, CLS pooling, and two of other lengths.
    assert verdict(recall, alignment, residual) is expected


def test_rows_that_are_not_paired_too_few_or_all_equal_are_refused(vectors: npt.NDArray[np.float32]):
    with pytest.raises(UnmeasurableError, match=r"paired rows, a has 50 and b 49"):
        compare_versions(vectors[:50], vectors[:49])
    with pytest.raises(TooFewRowsError, match=r"b needs at least 32 rows, it has 31"):
        compare_versions(vectors[:50], vectors[:31])
    with pytest.raises(UnmeasurableError, match=r"the 50 rows of b are all equal"):
        compare_versions(vectors[:50], np.ones((50, 4)))


@pytest.mark.parametrize("d", [1, 2, 3000])
def test_any_length_will_do(d: int):
    x = np.random.default_rng(3).standard_normal((40, d))
    found = compare_versions(x, x)
    assert found.verdict is Compatibility.COMPATIBLE
    assert found.procrustes_residual == pytest.approx(0, abs=1e-9)


def test_zero_rows_do_no_harm(vectors: npt.NDArray[np.float32]):
    x = vectors[:100].copy()
    x[3] = 0
    assert np.isfinite([compare_versions(x, vectors[:100]).rsa, compare_versions(x, x).cosine]).all()


def test_what_each_input_keeps_adds_up_to_what_all_keep(vectors):
    new = normalise(vectors[:300] + 0.02 * np.random.default_rng(8).standard_normal((300, vectors.shape[1])))
    whole, each = compare_versions(vectors[:300], new), kept_neighbours(vectors[:300], new)
    assert each.overlap.mean() == pytest.approx(whole.overlap, abs=1e-9)
    assert each.cross_recall is not None
    assert each.cross_recall.mean() == pytest.approx(whole.cross_recall, abs=1e-9)
    near = neighbours_by_definition(vectors[:300], vectors[:300])
    found = neighbours_by_definition(new, new)
    assert each.overlap[0] == len(near[0] & found[0]) / 10


def test_only_inputs_that_moved_lose_their_neighbours(vectors):
    moved = vectors.copy()
    moved[:20] = np.roll(vectors[:20], 7, axis=0)
    each = kept_neighbours(vectors, moved)
    assert each.cross_recall is not None
    assert each.cross_recall[:20].mean() < 0.5
    assert (each.cross_recall[20:] == 1).all()


def test_vectors_of_two_lengths_have_no_cross_recall_of_inputs(vectors):
    assert kept_neighbours(vectors[:100], vectors[:100, :50]).cross_recall is None
    with pytest.raises(UnmeasurableError, match="paired rows, a has 100 and b 90"):
        kept_neighbours(vectors[:100], vectors[:90])
