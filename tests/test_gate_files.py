"""`drift gate` on two files of embeddings: how rows are paired, what is said, and the exit status."""

import json
from io import StringIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import START
from rich.console import Console
from samples import normalise, rotation, s1
from test_gate import LIMITS, N, noisy, of
from typer.testing import CliRunner

from drift.cli import app
from drift.errors import SourceError
from drift.gate.checks import check
from drift.gate.decision import Decision, decide
from drift.gate.thresholds import Least
from drift.records import Gated, Judgement
from drift.wiring import gate_report, gated_report
from drift.wiring.compare_command import require_writable
from drift.wiring.gate import Request
from drift.wiring.gate_report import as_markdown


@pytest.fixture(scope="module")
def right():
    return s1(N, np.random.default_rng(0))


def write(path, x: np.ndarray, **columns):
    vector = pa.FixedSizeListArray.from_arrays(pa.array(x.astype(np.float32).ravel()), x.shape[1])
    pq.write_table(pa.table({"vector": vector, **columns}), path)
    return str(path)


def asked(*words: str):
    return CliRunner().invoke(app, ["gate", *words], env={"COLUMNS": "300"})


def test_files_are_paired_by_id_whatever_their_order(right, tmp_path):
    ids, order = [f"row {i}" for i in range(N)], np.random.default_rng(4).permutation(N)
    old = write(tmp_path / "old.parquet", right, id=ids)
    new = write(tmp_path / "new.parquet", right[order], id=[ids[i] for i in order])
    done = asked("--baseline", old, "--candidate", new, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdict"] == "pass"


def test_files_without_ids_are_paired_by_order(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", np.roll(right, 1, axis=0))
    words = ("--baseline", str(tmp_path / "old.npy"), "--candidate")
    assert asked(*words, str(tmp_path / "old.npy")).exit_code == 0
    done = asked(*words, str(tmp_path / "new.npy"), "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["cause"]["cause"] == "id-join"


def test_rows_that_the_candidate_lacks_count_against_it(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", right[: N - 30])
    done = asked("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"), "--json")
    said = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert said["coverage"]["value"] == pytest.approx(0.9)
    assert said["coverage"]["verdict"] == "fail"


def test_a_segments_name_does_nothing_to_a_terminal(right, tmp_path):
    columns = {"vector": list(right), "lang": ["\x1b[2Jen"] * N}
    pq.write_table(pa.table(columns), tmp_path / "old.parquet")
    file = str(tmp_path / "old.parquet")
    done = asked("--baseline", file, "--candidate", file, "--segment", "lang")
    assert "\N{REPLACEMENT CHARACTER}[2Jen" in done.stdout
    assert "\x1b[2J" not in done.stdout


@pytest.mark.parametrize("column", ["label", "lang"])
def test_files_that_disagree_on_an_input_are_told_of(right, tmp_path, column):
    said = ["a", "b", None] * (N // 3)
    old = write(tmp_path / "old.parquet", right, **{"lang": ["en"] * N, "label": ["x"] * N, column: said})
    new = write(
        tmp_path / "new.parquet", right, **{"lang": ["en"] * N, "label": ["x"] * N, column: ["c", "b", "c"] * (N // 3)}
    )
    done = asked("--baseline", old, "--candidate", new, "--segment", "lang", "--json")
    assert json.loads(done.stdout)["notes"] == [
        f"The files disagree on the {column} of {N // 3} of {N} inputs: the baseline's counts."
    ]


def test_a_terminal_obeys_nothing_that_a_name_a_reason_or_a_note_has():
    sly = "a\x1b]0;b\x9b2J"
    kept = Gated("msg_1", Judgement(sly, sly, "fail", (sly,), 1), START, sly, sly, sly)
    passed = check("overlap", 1.0, Least(warn=0.9, fail=0.8), "the share of neighbours that stay")
    made = gate_report.as_text(Decision(1, (passed,), notes=(sly,)), Request(sly, sly))
    for shown in (gated_report.as_table([kept]), gated_report.as_text(kept), made):
        out = StringIO()
        Console(file=out, width=300).print(shown)
        assert not {"\x1b", "\x9b"} & set(out.getvalue())
        assert "a\ufffd]0;b\ufffd2J" in out.getvalue()


@pytest.mark.parametrize("option", ["--html", "--markdown"])
@pytest.mark.parametrize("path", ["/proc/x.html", "/nowhere/x.html", "/"])
def test_a_report_that_cannot_be_written_is_refused_before_the_work(right, tmp_path, option, path):
    done = asked("--baseline", "no.npy", "--candidate", "no.npy", option, path)
    assert done.exit_code == 2
    assert f"{option} needs a file that can be written" in done.output


def test_looking_whether_a_report_can_be_written_leaves_nothing(tmp_path):
    (tmp_path / "kept.html").write_text("before")
    (tmp_path / "link.html").symlink_to("later.html")
    for name in ("new.html", "kept.html", "link.html"):
        require_writable(tmp_path / name, "--html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.html", "link.html"]
    assert (tmp_path / "kept.html").read_text() == "before"
    assert (tmp_path / "link.html").is_symlink()


def test_a_name_that_no_file_can_have_is_refused_in_words(tmp_path):
    with pytest.raises(SourceError, match="needs a file that can be written"):
        require_writable(tmp_path / ("x" * 300), "--html")


def test_rows_that_cannot_be_used_are_counted_by_why(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    spoilt = right.copy()
    spoilt[:3, 0], spoilt[3] = np.nan, 0
    np.save(tmp_path / "new.npy", spoilt)
    done = asked("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"), "--json")
    (note,) = json.loads(done.stdout)["notes"]
    assert note.startswith(f"Of {N} rows of new.npy some cannot be used: ")
    assert "3 not_finite" in note
    assert "1 zero" in note


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda x, rng: 3 * x * rng.uniform(1, 2, (len(x), 1)), "missing-normalisation"),
        (lambda x, rng: x @ rotation(x.shape[1], rng), "rotated"),
        (lambda x, rng: x[:, rng.permutation(x.shape[1])], "permuted-dimensions"),
        (lambda x, rng: normalise(np.sign(x)), "quantised-storage"),
        (lambda x, rng: np.repeat(x[:1], len(x), axis=0), "constant-output"),
    ],
)
def test_what_was_done_to_right_vectors_is_the_first_reason(right, tmp_path, spoil, cause):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", spoil(right, np.random.default_rng(5)).astype(np.float32))
    done = asked("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"), "--json")
    assert done.exit_code == 1, done.output
    assert json.loads(done.stdout)["reasons"][0].startswith(f"{cause}: ")


def test_the_terminal_names_verdict_reason_and_each_check(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", noisy(right, 0.5))
    done = asked("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"))
    assert done.stdout.startswith("FAIL: ")
    assert "1. the recall@10 of new queries on the old index is" in done.stdout
    assert all(name in done.stdout for name in ("lengths", "overlap", "cka", "anisotropy"))


def test_thresholds_of_a_file_decide(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", right @ rotation(right.shape[1], np.random.default_rng(2)))
    (tmp_path / "gate.yaml").write_text("compatibility: {warn: null, fail: null}\n")
    words = ("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"))
    assert asked(*words).exit_code == 1
    assert asked(*words, "--thresholds", str(tmp_path / "gate.yaml")).exit_code == 0


def test_markdown_shows_names_from_outside_as_they_are(right, tmp_path):
    found = decide(of(right, right, segments=("<b>|@all",) * N), LIMITS)
    said = as_markdown(found, Request("a", "b"))
    assert not {"<b>", "@all"} & set(said.replace("|", " ").split())
    assert "&#60;b&#62;&#124;&#64;all" in said
    np.save(tmp_path / "old.npy", right)
    words = ("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "old.npy"))
    assert asked(*words, "--markdown", str(tmp_path / "said.md")).exit_code == 0
    assert (tmp_path / "said.md").read_text().startswith("## drift gate: PASS")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--baseline", "old.npy", "--candidate", "missing.npy"), "missing.npy: there is no such file"),
        (("--baseline", "old.npy", "--candidate", "bundled"), "need to be of one kind"),
        (("--baseline", "old.npy", "--candidate", "short.npy"), "valid rows of the same `id`"),
        (("--baseline", "old.npy", "--candidate", "old.npy", "--probe", "old.npy"), "need no --probe"),
        (("--baseline", "bundled", "--candidate", "bundled"), "need --probe"),
        (("--baseline", "old.npy", "--candidate", "old.npy", "--markdown", "no/where.md"), "--markdown needs a file"),
    ],
)
def test_what_cannot_be_decided_ends_with_two(right, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    np.save("old.npy", right)
    np.save("short.npy", right[:20])
    done = asked(*words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_page_stands_alone_and_escapes_names(right, tmp_path):
    name = tmp_path / "<b>&.npy"
    np.save(name, noisy(right, 0.5))
    np.save(tmp_path / "old.npy", right)
    words = ("--baseline", str(tmp_path / "old.npy"), "--candidate", str(name), "--html", str(tmp_path / "said.html"))
    assert asked(*words).exit_code == 1
    page = (tmp_path / "said.html").read_text()
    assert "&lt;b&gt;&amp;.npy" in page
    assert not any(word in page for word in ("<b>", "http:", "https:", "src=", "url(", "@import", "nan"))
    assert page.count("<svg") == page.count("</svg>") == 5
    assert all(f"<td>{name}</td>" in page for name in ("lengths", "overlap", "cka", "anisotropy"))


def test_the_page_shows_each_segment_and_vectors_of_another_length(right, tmp_path):
    segments = ["de", "en"] * (N // 2)
    old = write(tmp_path / "old.parquet", right, lang=segments)
    new = write(tmp_path / "new.parquet", right[:, :100], lang=segments)
    words = ("--baseline", old, "--candidate", new, "--segment", "lang", "--html", str(tmp_path / "said.html"))
    assert asked(*words).exit_code == 1
    page = (tmp_path / "said.html").read_text()
    assert "overlap by segment" in page
    assert "Cosine of each" not in page


def test_k_says_how_many_neighbours_count(right, tmp_path):
    np.save(tmp_path / "old.npy", right)
    np.save(tmp_path / "new.npy", noisy(right, 0.2))
    words = ("--baseline", str(tmp_path / "old.npy"), "--candidate", str(tmp_path / "new.npy"), "--json")
    found = {k: json.loads(asked(*words, "--k", str(k)).stdout) for k in (1, 50)}
    values = {k: {c["check"]: c["value"] for c in said["checks"]}["overlap"] for k, said in found.items()}
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (right, np.load(tmp_path / "new.npy"))]
    cosines = [x @ x.T - 2 * np.eye(N) for x in unit]
    for k, value in values.items():
        old, new = (np.argsort(-c, axis=1)[:, :k] for c in cosines)
        shared = sum(len(set(a) & set(b)) for a, b in zip(old.tolist(), new.tolist(), strict=True))
        assert value == pytest.approx(shared / (k * N))
    assert any("recall@50" in check["words"] for check in found[50]["checks"])
    done = asked(*words, "--k", "300")
    assert done.exit_code == 2
    assert "needs at least 301 rows" in done.stderr
