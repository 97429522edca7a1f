import numpy as np
import pytest
import torch
from samples import SPECTRUM, Vectors, most_by_chance, normalise, rotation, s1

from detectors import Collapse, Verdict, collapse
from detectors.figures import Shape, decay, live_dimensions, participation_ratio, shape
from detectors.kernels import spectrum
from detectors.labels import Accuracy
from detectors.shapes import Compared, verdict
from drift.errors import BadReferenceError, TooFewRowsError, UnmeasurableError


@pytest.fixture(scope="module")
def held() -> Vectors:
    return s1(5000, np.random.default_rng(0))


def fresh(n: int = 500, seed: int = 1) -> Vectors:
    return s1(n, np.random.default_rng(seed))


def seen(window: Vectors, held: Vectors, **options: int) -> Collapse:
    return collapse(window, held, **{"null_windows": 30} | options)


def figures(x: np.ndarray) -> Shape:
    return shape(torch.from_numpy(x), torch.ones(x.shape[1], dtype=torch.bool))


def top(x: Vectors, held: Vectors, k: int) -> Vectors:
    """`x` with nothing left outside of the first `k` principal components of `held`."""
    _, axes = torch.linalg.eigh(torch.from_numpy(held).T.cov())
    kept = axes[:, -k:].numpy()
    return held.mean(0) + (x - held.mean(0)) @ kept @ kept.T


def shrunk(x: Vectors, held: Vectors, share: float) -> Vectors:
    return normalise((1 - share) * x + share * held.mean(0))


def partly_constant(x: Vectors, share: float) -> Vectors:
    out = x.copy()
    out[: round(share * len(x))] = x[0]
    return out


def test_the_participation_ratio_does_not_depend_on_the_number_of_rows():
    """Case A13."""
    rng = np.random.default_rng(2)
    small = np.mean([figures(s1(250, rng)).participation_ratio for _ in range(20)])
    large = figures(s1(5000, rng)).participation_ratio
    assert small == pytest.approx(large, rel=0.03)
    variances = spectrum(torch.from_numpy(s1(250, rng)))
    assert float(variances.sum() ** 2 / variances.square().sum()) < 0.8 * large


def test_the_participation_ratio_is_that_of_the_covariance():
    x = np.random.default_rng(3).standard_normal((200, 381)) * np.sqrt(SPECTRUM)
    exact = SPECTRUM.sum() ** 2 / (SPECTRUM**2).sum()
    variances = spectrum(torch.from_numpy(x)) / 199
    assert participation_ratio(variances, 200, 381) == pytest.approx(exact, rel=0.06)
    # v = 4, a = 10, b = 16: 16 / 18 * 6 for the squares, 4 / 18 * 60 for the square.
    known = torch.tensor([3.0, 1.0], dtype=torch.float64)
    assert participation_ratio(known, 5, 10) == pytest.approx(2.5)
    assert participation_ratio(known, 5, 2) == 2


def test_figures_of_known_vectors():
    cross = np.concatenate([np.eye(8), -np.eye(8)]).astype(np.float32)
    of = figures(cross)
    assert [of.rank_me, of.effective_rank, of.participation_ratio] == pytest.approx([8, 8, 8], rel=0.2)
    assert of.rank_me == pytest.approx(8)
    assert of.trace == pytest.approx(16 / 15)
    assert of.anisotropy == pytest.approx(1 / 8)
    assert of.mean_cosine == pytest.approx(-1 / 15)
    assert (of.duplicates, of.dead_dimensions, of.alpha_req) == pytest.approx((0, 0, 0), abs=1e-6)
    assert of.norm == pytest.approx(1)
    # 14 of the 15 others at a squared distance of 2, one at 4.
    assert of.uniformity == pytest.approx(np.log((14 * np.exp(-4) + np.exp(-8)) / 15), abs=1e-6)


def test_rank_me_counts_singular_values_and_the_effective_rank_variances():
    x = np.concatenate([np.diag([3.0, 1.0]), -np.diag([3.0, 1.0])]).astype(np.float32)

    def perplexity(*weights: float) -> float:
        p = np.array(weights) / sum(weights)
        return float(np.exp(-(p * np.log(p)).sum()))

    assert figures(x).rank_me == pytest.approx(perplexity(3, 1))
    assert figures(x).effective_rank == pytest.approx(perplexity(9, 1))


def test_the_decay_of_variances_is_their_exponent():
    assert decay(torch.arange(1, 200, dtype=torch.float64) ** -1.3) == pytest.approx(1.3)
    assert decay(torch.zeros(5, dtype=torch.float64)) == 0


def test_rotation_and_scale_leave_the_ranks_and_the_angles(held: Vectors):
    x = fresh()
    turned = figures((3 * x.astype(float) @ rotation(384, np.random.default_rng(4))).astype(np.float32))
    plain = figures(x)
    for name in ("participation_ratio", "rank_me", "effective_rank", "anisotropy", "mean_cosine", "uniformity"):
        assert getattr(turned, name) == pytest.approx(getattr(plain, name), rel=1e-3)
    assert turned.trace == pytest.approx(9 * plain.trace, rel=1e-4)
    assert turned.norm == pytest.approx(3, rel=1e-4)


def test_dimensions_are_live_against_their_median_even_where_most_are_constant():
    x = np.random.default_rng(5).standard_normal((100, 10)) * ([1.0] * 3 + [1e-3] + [0.0] * 6) + 5
    assert live_dimensions(torch.from_numpy(x)).tolist() == [True] * 3 + [False] * 7
    assert not live_dimensions(torch.ones(5, 3)).any()


def test_a_healthy_window_is_as_expected(held: Vectors):
    found = seen(fresh(), held)
    assert found.verdict is Verdict.HEALTHY
    assert found.rows == 500
    assert found.trace.value == pytest.approx(found.trace.expected, rel=0.02)
    assert found.rank_me.z == pytest.approx(0, abs=4)
    assert (found.duplicates, found.dead_dimensions) == (Compared(0.0, 0.0, 0.0), Compared(0.0, 0.0, 0.0))


def test_healthy_windows_are_called_healthy_and_their_z_has_the_spread_of_fresh_windows():
    # A quarter of the reference's second half in each null window, and a new reference each time.
    rng, trials = np.random.default_rng(6), 60
    found = [collapse(s1(64, rng), s1(512, rng), 30, seed=i) for i in range(trials)]
    assert sum(f.verdict is not Verdict.HEALTHY for f in found) <= most_by_chance(trials, 0.003)
    for name in ("participation_ratio", "rank_me", "trace", "mean_cosine"):
        z = np.array([getattr(f, name).z for f in found])
        assert 0.75 < z.std() < 1.35
        assert abs(z.mean()) < 0.35


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda x, held: top(x, held, 64), Verdict.COLLAPSE),
        (lambda x, held: normalise(top(x, held, 64)), Verdict.COLLAPSE),
        (lambda x, held: np.tile(x[:1], (len(x), 1)), Verdict.COLLAPSE),
        (lambda x, held: shrunk(x, held, 0.1), Verdict.SHRINK),
        (lambda x, held: shrunk(x, held, 0.9), Verdict.SHRINK),
        (lambda x, held: partly_constant(x, 0.02), Verdict.DUPLICATES),
        (lambda x, held: partly_constant(x, 0.3), Verdict.DUPLICATES),
        (lambda x, held: np.repeat(x[: len(x) // 2], 2, axis=0), Verdict.DUPLICATES),
        (lambda x, held: x * (np.arange(384) > 20), Verdict.DEAD_DIMENSIONS),
        (lambda x, held: x * 1.1, Verdict.NORM_CHANGED),
        (lambda x, held: x * 0.5, Verdict.NORM_CHANGED),
        (
            lambda x, held: normalise(x + 0.02 * np.random.default_rng(0).standard_normal(x.shape)),
            Verdict.RANK_RISES,
        ),
    ],
)
def test_each_fault_gets_its_name(change: object, name: Verdict, held: Vectors):
    found = seen(change(fresh(), held).astype(np.float32), held)
    assert found.verdict is name


@pytest.mark.parametrize("offset", [0, 1, 10, 100])
def test_copies_are_seen_among_rows_that_all_point_one_way(offset: int):
    """At 100 the mean cosine is .9999."""
    held, x = (of + offset * np.eye(1, 384, 5, dtype=np.float32) for of in (fresh(2000, 5), fresh(500, 6)))
    assert seen(x, held).duplicates.value == 0
    found = seen(partly_constant(x, 0.1), held)
    assert found.verdict is Verdict.DUPLICATES
    assert found.duplicates.value == pytest.approx(0.1)


def test_other_content_is_changed_and_not_collapsed(held: Vectors):
    x = fresh(3000)
    one_sided = x[(x - held.mean(0)) @ (held[0] - held.mean(0)) > 0.05][:400]
    found = seen(one_sided, held)
    assert found.verdict in (Verdict.CHANGED, Verdict.SHRINK)  # one side of it has less spread


def test_a_falling_rank_alone_is_no_collapse():
    of = dict.fromkeys(Shape.__dataclass_fields__, Compared(1.0, 1.0, 0.0))
    low, high = Compared(0.4, 1.0, -9.0), Compared(0.6, 1.0, 9.0)
    assert verdict(of) is Verdict.HEALTHY
    assert verdict(of | {"rank_me": low}) is Verdict.CHANGED
    assert verdict(of | {"trace": low}) is Verdict.CHANGED
    assert verdict(of | {"alpha_req": low}) is Verdict.HEALTHY
    assert verdict(of | {"rank_me": low, "trace": low}) is Verdict.COLLAPSE
    assert verdict(of | {"rank_me": low, "trace": low, "duplicates": Compared(0.4, 0.0, 9.0)}) is Verdict.DUPLICATES
    assert verdict(of | {"rank_me": low, "trace": low, "duplicates": high}) is Verdict.COLLAPSE
    assert verdict(of | {"trace": low, "mean_cosine": high}) is Verdict.SHRINK
    assert verdict(of | {"trace": low, "mean_cosine": high, "rank_me": high}) is Verdict.RANK_RISES


def test_a_duplicate_pair_and_rounding_of_lengths_are_no_alarm(held: Vectors):
    x = fresh()
    x[1] = x[0]
    assert seen(x.astype(np.float16), held).verdict is Verdict.HEALTHY


def test_lengths_that_never_vary_may_change_a_little(held: Vectors):
    assert seen(fresh() * np.float32(1.003), held).verdict is Verdict.HEALTHY
    assert seen(fresh() * np.float32(1.007), held).verdict is Verdict.NORM_CHANGED


def test_dimensions_that_are_dead_in_the_reference_are_no_alarm_and_revived_ones_are_not_counted(held: Vectors):
    assert not held[:, -3:].any()
    assert seen(fresh(), held).dead_dimensions.value == 0


def test_one_seed_gives_one_answer_and_a_large_window_is_cut_down(held: Vectors):
    x = torch.from_numpy(fresh(300))
    one = collapse(x, held, 20, seed=1, most_rows=200)
    assert one == collapse(x, held, 20, seed=1, most_rows=200)
    assert one != collapse(x, held, 20, seed=2, most_rows=200)
    assert one.rows == 200
    assert collapse(x, held[:400], 20).rows == 100


def test_the_order_of_the_reference_does_not_matter(held: Vectors):
    drifting = held[np.argsort(held @ held.mean(0))]
    assert seen(fresh(200), drifting).verdict is Verdict.HEALTHY


@pytest.mark.parametrize("d", [1, 2, 3, 2000])
def test_any_dimension_will_do(d: int):
    rng = np.random.default_rng(7)
    found = collapse(rng.standard_normal((40, d)) + 1, rng.standard_normal((200, d)) + 1, 20)
    assert found.verdict is Verdict.HEALTHY


def test_what_cannot_be_compared_is_refused(held: Vectors):
    with pytest.raises(TooFewRowsError, match=r"window needs at least 16 rows, it has 15"):
        collapse(held[:15], held)
    with pytest.raises(BadReferenceError, match=r"reference needs at least 64 rows"):
        collapse(held, held[:63])
    with pytest.raises(UnmeasurableError, match=r"one length"):
        collapse(held[:, :5], held)
    with pytest.raises(BadReferenceError, match=r"rows that differ"):
        collapse(held[:100], np.ones((100, 384)))


def test_noise_is_named_where_the_probe_errs_as_well(held: Vectors):
    rng = np.random.default_rng(12)
    noisy = normalise(fresh(600) + 0.03 * rng.standard_normal((600, 384)))
    lost, kept = (Accuracy.against(right, 600, 4500, 5000) for right in (480, 540))
    assert seen(noisy, held).verdict is Verdict.RANK_RISES
    assert collapse(noisy, held, 30, accuracy=kept).verdict is Verdict.RANK_RISES
    assert collapse(noisy, held, 30, accuracy=lost).verdict is Verdict.NOISE
    assert collapse(fresh(600), held, 30, accuracy=lost).verdict is Verdict.HEALTHY


@pytest.mark.parametrize("rank", [2, 3, 6])
def test_rows_of_few_dimensions_are_not_called_copies_for_lying_close(rank):
    rng = np.random.default_rng(rank)
    held = rng.standard_normal((1000, 64)).astype(np.float32)
    for _ in range(4):
        x = (rng.standard_normal((250, rank)) @ rng.standard_normal((rank, 64))).astype(np.float32)
        found = seen(x, held)
        assert found.verdict is not Verdict.DUPLICATES
        assert found.verdict is not Verdict.HEALTHY


@pytest.mark.parametrize("n", [176, 200, 300, 512])
def test_all_rows_of_a_constant_window_are_copies(n: int, held: Vectors):
    """However rounding falls: the mean of equal rows need not be equal to them."""
    found = seen(np.tile(fresh(1, seed=2), (n, 1)), held, null_windows=10)
    assert found.duplicates.value == 1
    assert found.verdict is Verdict.COLLAPSE


def test_a_mean_that_was_moved_is_no_shrink_though_rows_of_length_one_lose_spread(held: Vectors):
    window = fresh(1000)
    window[:, 9] += 0.3
    found = seen(normalise(window), held)
    assert found.trace.z < -5
    assert found.mean_cosine.z > 5
    assert found.verdict is Verdict.CHANGED
    assert seen(shrunk(fresh(1000), held, 0.05), held).verdict is Verdict.SHRINK
    # Rows that keep no length lose no spread by being moved: who draws them together and moves them has done both.
    both = 0.95 * fresh(1000) + 0.05 * held.mean(0)
    both[:, 9] += 0.5
    assert seen(both, held).verdict is Verdict.SHRINK


def test_near_copies_are_still_copies():
    rng = np.random.default_rng(0)
    held = rng.standard_normal((1000, 64)).astype(np.float32)
    x = rng.standard_normal((250, 64)).astype(np.float32)
    again = torch.from_numpy(x).bfloat16().float().numpy()
    assert collapse(np.concatenate([x, again]), held).verdict is Verdict.DUPLICATES
