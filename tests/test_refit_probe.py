import numpy as np
import pytest
import torch
from samples import DIM, labelled_topics, measured, most_by_chance, noisy, reference, rotation, window
from scipy.stats import betabinom

from detectors.frozen_probe import Probe
from detectors.refit_probe import RIDGE, RefitProbe, healthy_law, left_out_right, whitened
from drift.errors import MissingLabelsError, TooFewRowsError
from drift.records import Reference, Texts


def told_apart(n: int, dim: int, rng: np.random.Generator, loss: float = 0.0) -> tuple[np.ndarray, Texts]:
    """Rows whose label, one of three, shows in two of `dim` directions, less so the larger `loss`."""
    of = rng.integers(0, 3, n)
    x = rng.standard_normal((n, dim)) @ np.diag(np.arange(1, dim + 1) ** -0.5) + 2
    x[:, :2] += (2 - 2 * loss) * np.array([[0, 0], [1, 0], [0, 1]])[of]
    return x, tuple("abc"[i] for i in of)


@pytest.fixture(scope="module")
def held() -> Reference:
    x, labels = told_apart(2560, 16, np.random.default_rng(0))
    return reference(x, labels=labels)


def test_leaving_each_row_out_is_what_fitting_without_it_gives():
    rng = np.random.default_rng(1)
    x, labels = told_apart(90, 16, rng)
    z = whitened(torch.from_numpy(x), 12)
    y = torch.tensor(["abc".index(label) for label in labels])
    y[7] = 3  # a label of its own
    right = 0
    for i in range(90):
        rest = np.arange(90) != i
        kept, of = z.numpy()[rest], y.numpy()[rest]
        means = np.array([kept[of == c].mean(0) for c in range(3)])
        within = (kept - means[of.clip(max=2)])[of < 3]  # alone in its class, row 7 has no scatter
        means = np.concatenate([means, kept[of == 3]])
        off = z.numpy()[i] - means
        distance = (off * np.linalg.solve(within.T @ within + RIDGE * 90 * np.eye(12), off.T).T).sum(1)
        right += int((np.log(np.bincount(of, minlength=len(means))[: len(means)]) - 45 * distance).argmax() == y[i])
    assert 45 < right < 90
    assert left_out_right(z, y, 4) == right


def test_principal_axes_are_uncorrelated_and_of_variance_one():
    x, _ = told_apart(200, 16, np.random.default_rng(2))
    z = whitened(torch.from_numpy(x), 10).numpy()
    np.testing.assert_allclose(z.T @ z / 200, np.eye(10), atol=1e-9)
    assert whitened(torch.full((8, 3), 0.1), 2).shape == (8, 0)
    assert whitened(torch.from_numpy(np.outer(np.arange(8.0), [1, 2, 3])), 2).shape == (8, 1)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_no_invertible_linear_map_changes_it_where_there_are_four_rows_a_dimension(held: Reference, noise: float):
    rng = np.random.default_rng(3)
    x, labels = told_apart(128, 16, rng, loss=noise / 2)
    bend = rotation(16, rng) @ np.diag(np.geomspace(0.1, 10, 16)) @ rotation(16, rng)
    one, two = (measured(RefitProbe(), window(v, labels=labels), held) for v in (x, x @ bend - 3))
    assert (one.value, one.p_value) == (two.value, two.p_value)


def test_a_rotation_is_red_for_the_frozen_probe_and_green_for_the_refitted_one():
    rng = np.random.default_rng(4)
    (x, of), (y, labels) = labelled_topics(5120, rng), labelled_topics(256, rng)
    held = reference(x, labels=of)
    turned = window(y @ rotation(DIM, rng), labels=labels)
    frozen, refit = measured(Probe(), turned, held), measured(RefitProbe(), turned, held)
    assert frozen.p_value < 1e-6
    assert refit.p_value > 0.05
    assert refit.value == pytest.approx(measured(RefitProbe(), window(y, labels=labels), held).value, abs=1 / 256)
    assert refit.band_low < refit.value < refit.band_high


def test_lost_information_is_red_for_both():
    rng = np.random.default_rng(5)
    (x, of), (y, labels) = labelled_topics(5120, rng), labelled_topics(256, rng)
    held, drowned = reference(x, labels=of), window(noisy(y, 0.05, rng), labels=labels)
    assert measured(Probe(), drowned, held).p_value < 1e-6
    assert measured(RefitProbe(), drowned, held).p_value < 1e-4


@pytest.mark.parametrize(("rows", "n"), [(640, 64), (2560, 128)])
def test_healthy_windows_are_rarely_rejected_over_references(rows: int, n: int):
    rng, trials, p, out = np.random.default_rng(6), 40, [], 0
    for _ in range(trials):
        (x, x_labels), (y, y_labels) = told_apart(rows, 16, rng), told_apart(n, 16, rng)
        m = measured(RefitProbe(), window(y, labels=y_labels), reference(x, labels=x_labels))
        p.append(m.p_value)
        out += not m.band_low <= m.value <= m.band_high
    assert [sum(np.array(p) <= alpha) <= most_by_chance(trials, alpha) for alpha in (0.05, 0.01)] == [True] * 2
    assert out <= most_by_chance(trials, 0.02)


def test_the_law_of_healthy_counts_is_binomials_at_least_and_as_wide_as_the_groups():
    rng = np.random.default_rng(7)
    few = rng.binomial(100, 0.8, 5000).astype(float)
    wide = betabinom.rvs(100, 40, 10, size=5000, random_state=rng).astype(float)
    for counts, sd in ((few, 4.0), (wide, betabinom(100, 40, 10).std())):
        law = healthy_law(counts, 100)
        mean = law @ np.arange(101)
        assert mean == pytest.approx(80, abs=0.3)
        assert (law @ (np.arange(101) - mean) ** 2) ** 0.5 == pytest.approx(sd, rel=0.03)
    assert healthy_law(np.full(8, 100.0), 100)[100] > 0.9  # every row right in every group
    assert np.isfinite(healthy_law(np.array([0.0, 100.0] * 4), 100)).all()


def test_the_window_is_cut_to_an_eighth_of_the_reference_and_rows_without_a_label_do_not_count(held: Reference):
    x, labels = told_apart(600, 16, np.random.default_rng(8))
    assert measured(RefitProbe(), window(x, labels=labels), held).rows == 320
    assert measured(RefitProbe(), window(x, labels=(None,) * 450 + labels[450:]), held).rows == 144


def test_a_p_value_that_rests_on_few_groups_is_doubled(held: Reference):
    x, labels = told_apart(128, 16, np.random.default_rng(9), loss=0.5)
    few = reference(held.vectors[: 19 * 128], labels=held.rows.labels[: 19 * 128])
    found = [measured(RefitProbe(), window(x, labels=labels), of) for of in (few, held)]
    assert found[0].p_value == pytest.approx(2 * found[1].p_value, rel=0.5)


def test_one_label_alone_is_always_right_and_is_no_reference(held: Reference):
    x, _ = told_apart(512, 16, np.random.default_rng(10))
    assert measured(RefitProbe(), window(x[:128], labels=("a",) * 128), held).value == 1
    with pytest.raises(MissingLabelsError, match=r"two different labels, search@.* has only 'a'"):
        measured(RefitProbe(), window(x[:64], labels=("a", "b") * 32), reference(x, labels=("a",) * 512))


def test_a_reference_with_too_few_labels_is_refused():
    x, labels = told_apart(511, 16, np.random.default_rng(11))
    with pytest.raises(TooFewRowsError, match=r"refit_probe needs at least 512 labelled rows, search@.* has 511"):
        measured(RefitProbe(), window(x[:64], labels=labels[:64]), reference(x, labels=labels))
    with pytest.raises(ValueError, match="min_rows >= 8"):
        RefitProbe(min_rows=4)
