"""The example's faults are real: each moves the served vectors in its own way, and by how much."""

import warnings
from dataclasses import dataclass

import numpy as np
import pytest

from drift.encoder.load import EncoderSpec
from examples.demo.corpus import PACKAGES, documents
from examples.demo.faults import REFERENCE_MIX, Fault, Serving, mix, older_checkpoint, quantised

# What fp32 and fp16 serving may differ by, and more than that.
TOLERANCE = 3e-4


@dataclass(frozen=True)
class Skew:
    """Served against right vectors of the same texts."""

    distances: np.ndarray
    norm_ratio: float

    @property
    def beyond(self) -> float:
        return float(np.mean(self.distances > TOLERANCE))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return [d.text for d in documents(tmp_path_factory.mktemp("corpus"), limit=30, packages=tuple(REFERENCE_MIX))]


@pytest.fixture(scope="module")
def serving(texts, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        serving = Serving(EncoderSpec(device="cpu", threads=1), texts[:50], tmp_path_factory.mktemp("serving"))
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def skews(serving, texts):
    def skew(fault: Fault) -> Skew:
        served, right = serving.serve(texts[50:110], fault), serving.encoder.encode(texts[50:110])
        norms, rights = np.linalg.norm(served, axis=1), np.linalg.norm(right, axis=1)
        return Skew(1 - (served * right).sum(axis=1) / norms / rights, float(norms.mean() / rights.mean()))

    found = {fault: skew(fault) for fault in Fault}
    for fault, s in found.items():
        mean, least = s.distances.mean(), s.distances.min()
        print(f"{fault:24} 1-cos {mean:.4f} (least {least:.4f}) beyond {s.beyond:.2f} norms {s.norm_ratio:.3f}")
    return found


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.DATA_SHIFT])
def test_without_a_fault_of_the_encoder_vectors_are_right(skews, fault):
    assert skews[fault].distances.max() < 1e-6
    assert skews[fault].norm_ratio == pytest.approx(1)


@pytest.mark.parametrize(
    ("fault", "least", "most"),
    [
        (Fault.TRUNCATION, 0.2, 0.5),
        (Fault.QUANTISATION, 0.005, 0.015),
        (Fault.COLLAPSE, 0.3, 0.7),
        (Fault.STALE_MODEL, 0.03, 0.08),
    ],
)
def test_fault_turns_nearly_every_vector(skews, fault, least, most):
    assert least < skews[fault].distances.mean() < most
    assert skews[fault].beyond > 0.95


def test_missing_normalisation_shows_in_the_norm_alone(skews):
    assert skews[Fault.MISSING_NORMALISATION].distances.max() < 1e-6
    assert skews[Fault.MISSING_NORMALISATION].norm_ratio > 2


def test_collapse_leaves_few_directions(serving, texts):
    def rank(vectors):
        s = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
        share = s / s.sum()
        return np.exp(-(share * np.log(share + 1e-12)).sum())

    few, all_ = (rank(serving.serve(texts[50:110], fault)) for fault in (Fault.COLLAPSE, Fault.NONE))
    assert few < 8
    assert all_ > 35


def test_older_checkpoint_is_made_once_and_is_its_own_model(serving, texts, skews):
    path = older_checkpoint(None, next(serving._folder.glob("older-*")))
    assert sorted(p.name for p in path.iterdir() if p.suffix == ".safetensors") == ["model.safetensors"]
    stale = serving._encoders[Fault.STALE_MODEL]
    assert stale.fingerprint != serving.encoder.fingerprint
    assert not list(path.parent.glob("older-*.tmp*"))


def test_quantised_to_many_bits_is_nearly_exact():
    vectors = np.random.default_rng(0).standard_normal((8, 32)).astype(np.float32)
    assert np.abs(quantised(vectors, 16) - vectors).max() < 1e-3
    assert len(np.unique(quantised(vectors, 4)[0])) <= 15


@pytest.mark.parametrize("fault", list(Fault))
def test_mix_shares_out_all_traffic_among_known_packages(fault):
    shares = mix(fault)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= set(PACKAGES)
    new = sum(share for package, share in shares.items() if package not in REFERENCE_MIX)
    assert (new > 0.5) == (fault is Fault.DATA_SHIFT)
