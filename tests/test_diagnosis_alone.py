"""What vectors alone tell, how explanations are ranked, and how stored bits are seen."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fakes import MOVED, spans
from samples import reference, s1, window
from typer.testing import CliRunner

from benchmarks.alternatives import collapsed, noisy, quantised, replaced, topic, zeroed
from drift.cli import app
from drift.diagnosis import diagnose
from drift.diagnosis.data import Changes, _shares
from drift.diagnosis.diagnose import _failing
from drift.diagnosis.explain import Explanation, rank
from drift.diagnosis.language import changed_features
from drift.diagnosis.pairs import Tolerance, pairs_of
from drift.records import Measurement, Part

ROWS = 256
HELD = reference(s1(2600, np.random.default_rng(1)))


def longer(x, rng):
    return x * rng.uniform(2.4, 7, (len(x), 1))


FAULTS = {
    "missing-normalisation": longer,
    "quantised-storage": lambda x, rng: quantised(x, 8),
    "zeroed-dimensions": lambda x, rng: zeroed(x),
    "constant-output": lambda x, rng: np.repeat(x[:1], len(x), axis=0),
    "new-topic": lambda x, rng: topic(len(x), rng),
}
OF_ALL = {
    "permuted-dimensions": lambda x, rng: x[:, rng.permutation(x.shape[1])],
    "dimensional-collapse": lambda x, rng: collapsed(x, 16),
    "duplicates": lambda x, rng: np.concatenate([x[: ROWS // 2], x[: ROWS // 2]]),
}


def said(vectors):
    found = diagnose(window(vectors), HELD, rng=np.random.default_rng(0))
    assert sum(cause.score for cause in found.causes) <= 1.005
    assert set(found.against) <= set(found.ruled_out)
    return found


# A new topic in all rows looks like a fault of the serving path.
SHOWN = [(cause, share) for cause in FAULTS for share in (1.0, 0.2) if (cause, share) != ("new-topic", 1.0)]


@pytest.mark.parametrize(("cause", "share"), SHOWN)
def test_vectors_alone_show_the_fault(cause, share):
    rng = np.random.default_rng(2)
    x = s1(ROWS, rng)
    found = said(replaced(x, share, lambda n: FAULTS[cause](x[:n], rng)))
    assert found.causes[0].cause == cause, found
    assert "inputs and an encoder" in found.causes[0].evidence


def test_dimensions_that_are_all_alike_are_not_called_permuted():
    rng = np.random.default_rng(5)
    held = reference(rng.standard_normal((600, 8)).astype(np.float32))
    for _ in range(20):
        drawn = window(rng.standard_normal((80, 8)).astype(np.float32))
        found = diagnose(drawn, held, rng=np.random.default_rng(0))
        assert found.causes[0].cause != "permuted-dimensions"


@pytest.mark.parametrize("cause", OF_ALL)
def test_vectors_alone_show_the_fault_of_all_rows(cause):
    rng = np.random.default_rng(2)
    assert said(OF_ALL[cause](s1(ROWS, rng), rng)).causes[0].cause == cause


@pytest.mark.parametrize("seed", range(8))
def test_vectors_alone_of_a_healthy_window_show_no_fault(seed):
    assert [cause.cause for cause in said(s1(ROWS, np.random.default_rng(seed + 10))).causes] == ["none"]


def test_vectors_that_are_all_elsewhere_are_unknown_without_inputs():
    rng = np.random.default_rng(3)
    assert said(noisy(s1(ROWS, rng), 0.05, rng)).causes[0].cause == "unknown"


def explanation(cause, *explained):
    return Explanation(cause, "", np.array(explained, np.float64))


def test_what_explains_all_is_first_and_what_explains_little_is_unknown():
    (first, *_) = rank([explanation("prefix", 0.2, 0.1), explanation("truncation", 1.0, 0.99)], 2)
    assert first.cause == "truncation"
    assert first.score > 0.95
    assert next(one.cause for one in rank([explanation("prefix", 0.05, 0.1)], 2)) == "unknown"


def test_of_two_that_explain_all_the_simpler_is_named_and_the_other_is_not():
    ranked = [one.cause for one in rank([explanation("permuted-dimensions", 1, 1), explanation("rotated", 1, 1)], 2)]
    assert ranked[0] == "permuted-dimensions"
    assert "rotated" not in ranked


def test_scores_follow_the_share_of_rows_that_each_explains():
    ranked = {one.cause: one.score for one in rank([explanation("a", 1, 1, 1, 0), explanation("b", 0, 0, 0, 1)], 4)}
    assert ranked["a"] == pytest.approx(0.75, abs=0.02)
    assert ranked["b"] == pytest.approx(0.25, abs=0.02)


def test_what_has_another_name_or_a_simpler_one_beside_it_is_not_ruled_out():
    x = s1(4, np.random.default_rng(0))
    pairs = pairs_of(("a", "b", "c", "d"), np.concatenate([-x[:3], x[3:]]), x, Tolerance())
    tried = [
        explanation("rotated", 0.95, 0, 0.95),
        explanation("prefix", 0.95, 0, 0.95),  # no better than the first
        explanation("other-model-version", 0, 0.8, 0),  # in some of the rows: a mixture
        explanation("truncation", 0.01, 0.01, 0.01),
    ]
    found = _failing(window(pairs.served), pairs, tried, Changes((), {"duplicates": "none", "rotated": "no"}))
    assert {cause.cause for cause in found.causes} >= {"rotated", "mixed-versions"}
    assert found.ruled_out == ("truncation", "duplicates")
    assert found.against == {
        "truncation": "it explains 1% of how far the failing rows are off",
        "duplicates": "none",
    }


def test_another_language_is_seen_and_another_topic_in_the_same_is_not():
    usual = [f"what is the {thing} of my {other}" for thing in ("balance", "rate") for other in "abcdefghij"] * 5
    topics = [f"what is the {thing} of my car" for thing in ("engine", "wheel")] * 50
    spanish = ["cual es el saldo de mi cuenta", "quiero viajar hoy"] * 50
    assert changed_features(topics, usual) == ""
    assert "none of the" in changed_features(spanish, usual)
    assert "capitals" in changed_features([text.upper() for text in topics], usual)
    assert changed_features((), usual) == ""


def test_the_command_needs_neither_inputs_nor_an_encoder(tmp_path):
    np.save(tmp_path / "held.npy", HELD.vectors)
    np.save(tmp_path / "long.npy", longer(s1(300, np.random.default_rng(5)), np.random.default_rng(6)))
    words = ["diagnose", str(tmp_path / "long.npy"), "--reference", str(tmp_path / "held.npy")]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found.pop("rows"), found.pop("of")) == (300, 300)
    assert list(found) == ["causes", "ruled_out", "against"]
    assert list(found["causes"][0]) == ["cause", "score", "evidence", "next_step"]
    assert found["causes"][0]["cause"] == "missing-normalisation"
    text = CliRunner().invoke(app, words, env={"COLUMNS": "200"}).stdout
    assert "missing-normalisation" in text
    assert "ruled out: quantised-storage" in text


@pytest.mark.parametrize(
    ("held", "rows", "said"), [(400, 100, "a fourth of the 400 reference rows"), (4000, 512, "512 at most")]
)
def test_the_command_says_how_many_rows_it_left_out(tmp_path, held, rows, said):
    np.save(tmp_path / "held.npy", s1(held, np.random.default_rng(9)))
    np.save(tmp_path / "long.npy", 3 * s1(600, np.random.default_rng(5)))
    words = ["diagnose", str(tmp_path / "long.npy"), "--reference", str(tmp_path / "held.npy")]
    text = CliRunner().invoke(app, words, env={"COLUMNS": "200"}).stdout
    assert f"looked at {rows} of 600 rows of {tmp_path / 'long.npy'}: {said}" in text
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["rows"], found["of"]) == (rows, 600)


def test_files_of_two_lengths_end_the_command_with_an_error(tmp_path):
    np.save(tmp_path / "held.npy", HELD.vectors)
    np.save(tmp_path / "short.npy", HELD.vectors[:300, :100])
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path / "short.npy"), "--reference", str(tmp_path / "held.npy")])
    assert done.exit_code == 1
    assert "100 dimensions" in done.output


@pytest.mark.parametrize(("reason", "cause"), [("zero_vector", "zeroed-dimensions"), ("not_finite", "unknown")])
def test_a_file_with_rows_that_are_no_vectors_is_not_called_healthy(tmp_path, reason, cause):
    rng = np.random.default_rng(8)
    x = s1(400, rng)
    x[:120] = 0 if reason == "zero_vector" else np.nan
    np.save(tmp_path / "reference.npy", s1(2000, rng))
    np.save(tmp_path / "current.npy", x)
    paths = [str(tmp_path / "current.npy"), "--reference", str(tmp_path / "reference.npy")]
    found = json.loads(CliRunner().invoke(app, ["diagnose", *paths, "--json"]).stdout)
    assert found["causes"][0]["cause"] == cause
    assert f"{reason.replace('_', ' ')} 120" in found["causes"][0]["evidence"]


def test_where_the_reference_has_no_segments_the_clusters_say_what_changed():
    unknown = replace(MOVED, segments=(Part("client=web", None, 0.5, 0.02, None, None),))
    joint = Measurement("search", spans(1)[0], "joint", "r", 0.4, 80, p_value=0.001, attribution=MOVED)
    assert _shares(joint).startswith("segment lang=<de> went from 30% to 50%")
    assert _shares(replace(joint, attribution=unknown)).startswith("cluster 3 went from 8% to 22%")


def test_another_fault_that_was_seen_is_told_and_not_ruled_out():
    rng = np.random.default_rng(0)
    y, x = s1(2048, rng), s1(512, rng)
    x[:384, 16:32] = 0
    x[384:] = x[400]
    found = diagnose(window(x), reference(y), None, rng=rng)
    (cause,) = found.causes
    assert cause.cause == "constant-output"
    assert "Seen too, zeroed-dimensions: 16 dimensions are zero in 75% of rows." in cause.evidence
    assert not {"zeroed-dimensions", "dimensional-collapse"} & set(found.ruled_out)


def test_only_what_was_looked_at_is_ruled_out():
    rng = np.random.default_rng(2)
    x = s1(ROWS, rng)
    well = said(x)
    assert {"new-topic", "quantised-storage"} <= set(well.ruled_out)
    assert "language" not in well.ruled_out  # there are no texts
    # Stored in 8 bits, and a part of it lost: the second has been seen too.
    two = said(zeroed(quantised(x, 8)))
    assert two.causes[0].cause == "quantised-storage"
    assert "permuted-dimensions" in two.ruled_out
    assert not {"zeroed-dimensions", "shrink", "new-topic"} & set(two.ruled_out)
