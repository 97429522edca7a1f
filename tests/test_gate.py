"""`drift gate` on vectors: what may pass, what may not, and which reason comes first."""

import numpy as np
import pytest
from pydantic import ValidationError
from samples import labelled_topics, normalise, rotation, s1

from detectors import paired_accuracy
from drift.errors import ConfigError, TooFewRowsError
from drift.gate.checks import Check, costs, loss, segment_loss
from drift.gate.decision import decide
from drift.gate.embedded import Cost, Embedded
from drift.gate.thresholds import Least, Most, Thresholds, Verdict
from drift.records import Cause
from drift.wiring.gate_command import read_thresholds

N = 300
LIMITS = Thresholds()


@pytest.fixture(scope="module")
def right():
    return s1(N, np.random.default_rng(0))


def noisy(x: np.ndarray, size: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(x.shape) / np.sqrt(x.shape[1])
    return normalise(x + size * noise).astype(np.float32)


def of(baseline: np.ndarray, candidate: np.ndarray, **given) -> Embedded:
    return Embedded(baseline, np.ascontiguousarray(candidate, np.float32), **given)


def verdicts(found) -> dict[str, Verdict]:
    return {check.name: check.verdict for check in found.checks if not check.segment}


def failed(found) -> set[str]:
    return {name for name, verdict in verdicts(found).items() if verdict is Verdict.FAIL}


def test_the_same_vectors_pass_without_a_reason(right):
    found = decide(of(right, right.copy()), LIMITS)
    assert (found.verdict, found.reasons) == (Verdict.PASS, ())


def test_small_noise_passes_more_warns_and_much_fails(right):
    sizes = (0.01, 0.08, 0.5)
    assert [decide(of(right, noisy(right, size)), LIMITS).verdict for size in sizes] == ["pass", "warn", "fail"]


def test_a_rotation_breaks_the_old_index_and_nothing_else(right):
    turned = right @ rotation(right.shape[1], np.random.default_rng(2))
    assert failed(decide(of(right, turned), LIMITS)) == {"compatibility"}


def test_other_lengths_fail_though_every_cosine_is_right(right):
    factors = np.random.default_rng(3).uniform(2, 3, (N, 1))
    found = decide(of(right, factors * right), LIMITS)
    assert "lengths" in failed(found)
    assert verdicts(found)["compatibility"] is Verdict.PASS


def test_vectors_of_another_length_cannot_be_asked_of_the_old_index(right):
    found = decide(of(right, right[:, :100]), LIMITS)
    said = next(check for check in found.checks if check.name == "compatibility")
    assert (said.value, said.verdict) == (0, Verdict.FAIL)
    assert "vectors have 100 dimensions, the index has 384" in said.words


def test_one_vector_for_all_fails_by_its_rank(right):
    assert "effective_rank" in failed(decide(of(right, np.repeat(right[:1], N, axis=0)), LIMITS))


def test_inputs_without_a_vector_fail_by_coverage(right):
    assert failed(decide(of(right, right, coverage=0.9), LIMITS)) == {"coverage"}


def test_a_limit_of_null_never_speaks(right):
    turned = right @ rotation(right.shape[1], np.random.default_rng(2))
    limits = Thresholds(compatibility=Least(warn=None, fail=None))
    assert decide(of(right, turned), limits).verdict is Verdict.PASS


def loss_of(x: np.ndarray, y: np.ndarray, labels) -> Check:
    return next(
        check for check in decide(of(x, y, labels=tuple(labels)), LIMITS).checks if check.name == "accuracy_loss"
    )


def test_labels_that_can_no_longer_be_told_fail():
    x, labels = labelled_topics(400, np.random.default_rng(0))
    assert loss_of(x, noisy(x, 3.0), labels).verdict is Verdict.FAIL
    assert loss_of(x, x.copy(), labels).verdict is Verdict.PASS


def test_a_large_loss_that_may_be_chance_warns():
    assert loss(paired_accuracy(np.ones(64, bool), np.arange(64) > 1), LIMITS).verdict is Verdict.WARN
    assert loss(paired_accuracy(np.ones(64, bool), np.arange(64) > 9), LIMITS).verdict is Verdict.FAIL


def test_a_loss_in_one_of_many_segments_may_be_chance():
    found = paired_accuracy(np.ones(64, bool), np.arange(64) > 6)
    assert segment_loss(found, LIMITS, "de", 1).verdict is Verdict.FAIL
    assert segment_loss(found, LIMITS, "de", 100).verdict is Verdict.PASS


def test_segments_are_no_reason_where_all_inputs_say_the_same(right):
    found = decide(of(right, noisy(right, 0.5), segments=("de", "en") * (N // 2)), LIMITS)
    assert any(check.segment and check.verdict is Verdict.FAIL for check in found.checks)
    assert not any("segment" in reason for reason in found.reasons)


def test_a_segment_that_loses_its_neighbours_fails_though_all_inputs_together_do_not(right):
    broken = right.copy()
    broken[:60] = noisy(right[:60], 1.0)
    lenient = Thresholds(
        **{name: Least(warn=0.9, fail=0.5) for name in ("compatibility", "overlap")}, cka=Least(warn=None, fail=None)
    )
    segments = ("de",) * 60 + ("en",) * (N - 60)
    found = decide(of(right, broken, segments=segments), lenient)
    assert "overlap" not in failed(found)
    assert any("segment 'de'" in reason for reason in found.reasons)
    assert {check.segment for check in found.checks if check.verdict is Verdict.FAIL and check.name == "overlap"} == {
        "de"
    }


def test_segments_of_few_rows_are_not_judged(right):
    segments = ("rare",) * (LIMITS.segment_rows - 1) + ("common",) * (N - LIMITS.segment_rows + 1)
    found = decide(of(right, right, segments=segments), LIMITS)
    assert {check.segment for check in found.checks} == {"", "common"}


def test_the_cause_is_named_first_then_failures_then_warnings(right):
    cause = Cause("cls-pooling", 1.0, "it fits", "change it")
    spent = {"baseline": Cost((1.0,) * 6, 1), "candidate": Cost((2.0,) * 6, 1)}
    found = decide(of(right, noisy(right, 0.5)), LIMITS, cause=cause, **spent)
    assert found.reasons[0] == "cls-pooling: it fits"
    assert "the time for an input" in found.reasons[-1]


def test_a_slower_candidate_warns_and_a_smaller_one_passes(right):
    found = decide(of(right, right), LIMITS, baseline=Cost((1.0,) * 6, 100), candidate=Cost((2.0,) * 6, 50))
    assert (verdicts(found)["latency"], verdicts(found)["size"]) == (Verdict.WARN, Verdict.PASS)


def latency(old, new) -> Check | None:
    return next((check for check in costs(Cost(tuple(old)), Cost(tuple(new)), LIMITS) if check.name == "latency"), None)


def test_a_machine_that_is_busy_for_a_while_warns_of_nothing():
    found = latency([1.0] * 9, [1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert (found.value, found.verdict) == (2.0, Verdict.PASS)
    assert "95 % interval 1.00 to 2.00" in found.words
    assert latency([1.0] * 9, [1.0] + [2.0] * 8).verdict is Verdict.WARN


def test_pieces_are_timed_against_themselves():
    seconds = np.random.default_rng(0).exponential(size=9)
    assert latency(seconds, 1.2 * seconds).value == pytest.approx(1.2)


def test_too_few_times_say_nothing():
    assert latency([1.0] * 5, [9.0] * 5) is None
    assert latency([1.0] * 6, [9.0] * 5 + [None]) is None
    assert latency([None] * 6, [9.0] * 6) is None
    assert latency([1.0] * 6, [9.0] * 6).verdict is Verdict.WARN


def test_too_few_inputs_are_refused(right):
    with pytest.raises(TooFewRowsError, match="needs at least 32 rows, it has 20"):
        decide(of(right[:20], right[:20]), LIMITS)


@pytest.mark.parametrize(("kind", "warn", "fail"), [(Least, 0.5, 0.9), (Most, 0.9, 0.5)])
def test_limits_where_failing_is_easier_than_warning_are_refused(kind, warn, fail):
    with pytest.raises(ValidationError, match="more should be needed"):
        kind(warn=warn, fail=fail)


def test_what_is_no_number_fails():
    assert {kind(warn=0.5, fail=0.5).judge(float("nan")) for kind in (Least, Most)} == {Verdict.FAIL}


def test_a_threshold_that_is_a_number_is_told_of_its_keys(tmp_path):
    (tmp_path / "gate.yaml").write_text("overlap: 0.9\n")
    with pytest.raises(ConfigError, match=r"gate.yaml:1: overlap: 0.9: needs a mapping with the keys warn, fail$"):
        read_thresholds(tmp_path / "gate.yaml")


def test_a_misspelt_threshold_is_refused_with_its_line(tmp_path):
    (tmp_path / "gate.yaml").write_text("overlap: {warn: 0.9, fail: 0.8}\ncompatibilty: {warn: 0.9, fail: 0.8}\n")
    with pytest.raises(ConfigError, match=r"gate.yaml:2: compatibilty: .* did you mean `compatibility`"):
        read_thresholds(tmp_path / "gate.yaml")
