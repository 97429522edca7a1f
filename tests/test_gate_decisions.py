"""What the gate decides is kept and told: of a new version that a retraining gave, and of who asks for it."""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from fakes import START, make_monitor
from samples import s1
from starlette.testclient import TestClient
from test_api import service_of
from test_events import valid
from typer.testing import CliRunner

from drift.api.app import create_app
from drift.cli import app
from drift.config import Config, EncoderConfig, GateConfig
from drift.config.problems import problems
from drift.gate.checks import check
from drift.gate.decision import Decision
from drift.gate.thresholds import Least, Most
from drift.pipeline import retrains
from drift.pipeline.gates import Gatekeeper, judge_one
from drift.pipeline.retrains import Feedback
from drift.records import Judgement, Retrain, RetrainState
from drift.scheduler import Scheduler
from drift.store import gates, retention, tables
from drift.store import retrains as kept
from drift.wiring import gate_child
from drift.wiring.gate import Request
from drift.wiring.gate_child import GateChild
from drift.wiring.gate_report import as_json

HOUR = timedelta(hours=1)
FAIL = Judgement("bundled", "./models/v2", "fail", ("cls-pooling: it fits",), 100, "{}")


def ask(engine, id_: str = "msg_1", stream: str = "search", model: str = "encoder") -> None:
    intent = Retrain(id_, model, "1", stream, "skew", "abc", START, START, RetrainState.REQUESTED, ("retrain",))
    with engine.begin() as conn:
        kept.add(conn, intent, b"{}")


def succeed(engine, id_: str = "msg_1", version: str = "2") -> None:
    with engine.begin() as conn:
        retrains.report(conn, id_, Feedback(RetrainState.SUCCEEDED, version), now=START)


def judged(engine, judge, now=START) -> bool:
    return judge_one(engine, {"search": Gatekeeper(judge, ("hub",))}, lambda: None, lambda: now)


def told(engine) -> list[dict]:
    with engine.connect() as conn:
        t = tables.outbox
        return [json.loads(body) for body in conn.execute(sa.select(t.c.body).where(t.c.receiver == "hub")).scalars()]


def test_the_gate_follows_on_a_success_once(engine):
    asked = []
    ask(engine, stream="search/lang=de")
    assert not judged(engine, lambda version, _: asked.append(version))
    succeed(engine)
    assert judged(engine, lambda version, _: asked.append(version) or FAIL)
    assert not judged(engine, lambda version, _: asked.append(version))
    assert asked == ["2"]
    (event,) = told(engine)
    assert valid(event)["type"] == "io.drift.gate.decided"
    assert (
        event["data"]
        | {
            "verdict": "fail",
            "reasons": ["cls-pooling: it fits"],
            "version": "2",
            "model": "encoder",
            "retrain": "msg_1",
        }
        == event["data"]
    )
    with engine.connect() as conn:
        assert [one.judgement for one in gates.decisions(conn)] == [FAIL]


def test_other_streams_and_old_versions_wait_for_no_gate(engine):
    ask(engine, stream="other")
    succeed(engine)
    assert not judged(engine, lambda *_: FAIL)
    ask(engine, "msg_2", model="another")
    succeed(engine, "msg_2")
    assert not judged(engine, lambda *_: FAIL, now=START + 25 * HOUR)
    assert judged(engine, lambda *_: FAIL, now=START + 23 * HOUR)


def test_what_stops_the_gate_undoes_it_and_it_is_run_anew(engine):
    ask(engine)
    succeed(engine)

    def stopped(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        judged(engine, stopped)
    assert told(engine) == []
    assert judged(engine, lambda *_: FAIL)


def test_two_processes_never_run_the_same_gate(engine):
    ask(engine)
    succeed(engine)
    inner = []
    assert judged(engine, lambda *_: inner.append(judged(engine, lambda *_: FAIL)) or FAIL)
    assert inner == [False]


def test_no_transaction_is_open_while_a_gate_runs(engine):
    ask(engine)
    succeed(engine)
    seen = []

    def look(*_):
        with engine.connect() as conn:
            others = "datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            seen.extend(conn.execute(sa.text(f"SELECT query FROM pg_stat_activity WHERE {others}")))
        return FAIL

    assert judged(engine, look)
    assert seen == []


def test_old_decisions_are_forgotten(engine):
    ask(engine)
    succeed(engine)
    judged(engine, lambda *_: FAIL)
    with engine.begin() as conn:
        retention.forget(conn, vectors=START, history=START + HOUR, now=START)
        assert gates.decisions(conn) == []


CONFIG = GateConfig(candidate="./models/{version}", probe=Path("probe.parquet"))


def script(tmp_path: Path, text: str) -> tuple[str, ...]:
    """A command in place of drift's."""
    (tmp_path / "said.py").write_text(text)
    return (sys.executable, str(tmp_path / "said.py"))


def test_the_process_is_given_the_encoder_as_declared_and_the_version(tmp_path):
    text = """
import json, sys
words = dict(w[2:].split("=") for w in sys.argv[2:] if "=" in w)
reasons = [words["candidate"], words["probe"], open(words["baseline"]).read()]
print(json.dumps({"verdict": "warn", "reasons": reasons, "rows": 7}))
"""
    child = GateChild(EncoderConfig(pooling="cls"), CONFIG, script(tmp_path, text))
    found = child("v2.1", lambda: None)
    assert (found.verdict, found.rows, found.candidate) == ("warn", 7, "./models/v2.1")
    assert found.reasons[:2] == ("./models/v2.1", "probe.parquet")
    assert set(found.reasons[2].split("\n")) >= {"model: bundled", "pooling: cls"}


def test_a_gate_that_cannot_decide_says_why(tmp_path):
    child = GateChild(
        EncoderConfig(), CONFIG, script(tmp_path, "import sys; print('no such model', file=sys.stderr); sys.exit(2)")
    )
    found = child("2", lambda: None)
    assert (found.verdict, found.reasons) == ("error", ("no such model",))


@pytest.mark.parametrize("version", ["../../etc", "a/b", "-x", "a..b", "", "a b"])
def test_a_version_that_could_lead_elsewhere_is_refused(tmp_path, version):
    found = GateChild(EncoderConfig(), CONFIG, script(tmp_path, "raise SystemExit(0)"))(version, lambda: None)
    assert found.verdict == "error"
    assert "cannot be part of a path" in found.reasons[0]


def test_a_process_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(gate_child, "LONGEST_SECONDS", 0.0)
    found = GateChild(EncoderConfig(), CONFIG, script(tmp_path, "import time; time.sleep(60)"))("2", lambda: None)
    assert (found.verdict, found.reasons) == ("error", ("the gate has not ended within 0 s",))


def test_a_gate_needs_an_encoder_and_a_place_for_the_version():
    stream = {"id": "a", "dim": 8, "model": "m", "reference": {"path": "golden.parquet"}}
    gate = {"candidate": "./{version}", "probe": "p.parquet"}
    config = Config.model_validate({"streams": [stream | {"gate": gate}]})
    assert [text for _, text in problems(config)] == ["the gate of 'a' needs the stream's `encoder`: what serves now"]
    with pytest.raises(ValueError, match="candidate"):
        GateConfig(candidate="./models", probe=Path("p"))


SECRET = "whsec_" + "A" * 40
DRIFT = """\
streams: [{id: search, model: encoder, dim: 8, reference: {path: golden.parquet}}]
receivers: {webhooks: [{name: hub, url: "https://hub.example", secret: "%s", events: [%s]}]}
"""


@pytest.fixture
def by_hand(postgres_url, tmp_path, monkeypatch) -> list[str]:
    """The words of a gate of two files, which fails, where a database is at hand."""
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    monkeypatch.chdir(tmp_path)
    x = s1(100, np.random.default_rng(0))
    for name, vectors in (("old", x), ("new", x[:, ::-1])):
        rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), x.shape[1])
        pq.write_table(pa.table({"vector": rows}), f"{name}.parquet")
    return ["gate", "--baseline", "old.parquet", "--candidate", "new.parquet"]


def test_a_decision_on_record_is_listed_shown_and_told_by_the_api(engine, by_hand):
    run = CliRunner().invoke
    assert "no decision is on record" in run(app, ["gate", "list"]).stdout
    assert run(app, [*by_hand, "--json"]).exit_code == 1
    assert json.loads(run(app, ["gate", "list", "--json"]).stdout) == []
    report = json.loads(run(app, [*by_hand, "--record", "--json"]).stdout)
    (listed,) = json.loads(run(app, ["gate", "list", "--json"]).stdout)
    assert (listed["verdict"], listed["report"], listed["reasons"]) == ("fail", report, report["reasons"])
    assert "new.parquet" in run(app, ["gate", "list"]).stdout
    shown = run(app, ["gate", "show", listed["id"][:6]])
    assert "FAIL: new.parquet in place of old.parquet" in shown.stdout
    assert report["reasons"][0] in " ".join(shown.stdout.split())
    assert "< 0.9" in shown.stdout
    assert json.loads(run(app, ["gate", "show", listed["id"], "--json"]).stdout) == listed
    unknown = run(app, ["gate", "show", "nothing"])
    assert (unknown.exit_code, "drift gate list" in " ".join(unknown.stderr.split())) == (1, True)
    service = service_of(engine, make_monitor(engine))
    with TestClient(create_app(service, Scheduler(service))) as client:
        (told_,) = client.get("/v1/gates").json()
        one = client.get(f"/v1/gates/{listed['id'][:6]}").json()
        assert client.get("/v1/gates/nothing").status_code == 404
    assert told_ == one
    assert [check["value"] for check in one["checks"]] == [check["value"] for check in report["checks"]]
    assert {check["name"]: check["wanted"] for check in one["checks"]}["lengths"] == "at most"


@pytest.mark.parametrize("limit", [Least(warn=0.9, fail=0.8), Least(warn=0.9, fail=None), Most(warn=0, fail=0.5)])
@pytest.mark.parametrize("value", [0.0, 0.7, 0.85, 1.0])
def test_a_report_of_another_version_is_read_by_name(limit, value):
    made = check("overlap", value, limit, "the share of neighbours that stay")
    (said,) = as_json(Decision(100, (made,)), Request("old", "new"))["checks"]
    now, other = (
        Judgement("old", "new", "warn", report=json.dumps({"checks": [one]}))
        for one in (said, {name: it for name, it in said.items() if name != "wanted"} | {"seconds": 3})
    )
    assert other.checks == now.checks
    assert now.checks[0].wanted == made.wanted


def test_precisions_are_no_decision_and_are_not_kept(by_hand):
    refused = CliRunner().invoke(app, ["gate", "--quantised", "bundled", "--probe", "none.parquet", "--record"])
    assert (refused.exit_code, "leave them out" in " ".join(refused.stderr.split())) == (2, True)


def test_who_asks_may_have_the_webhooks_told(engine, by_hand):
    words = [*by_hand, "--notify", "drift.yaml"]
    Path("drift.yaml").write_text(DRIFT % (SECRET, "retrain"))
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert "add `events: [gate]`" in " ".join(refused.stderr.split())
    Path("drift.yaml").write_text(DRIFT % (SECRET, "gate"))
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 1, done.output
    (event,) = told(engine)
    said = valid(event)["data"]
    assert (said["verdict"], said["candidate"], said["retrain"]) == ("fail", "new.parquet", "")
    assert said["reasons"] == json.loads(done.stdout)["reasons"]
    with engine.connect() as conn:
        assert json.loads(gates.decisions(conn)[0].judgement.report) == json.loads(done.stdout)


def test_the_real_gate_judges_in_a_process_of_its_own(tmp_path):
    texts = [f"how do I pay bill {i} from my account" for i in range(40)]
    pq.write_table(pa.table({"input": texts}), tmp_path / "probe.parquet")
    # How long an input takes depends on what else the machine does.
    (tmp_path / "limits.yaml").write_text("latency: {warn: null, fail: null}\n")
    gate = GateConfig(candidate="{version}", probe=tmp_path / "probe.parquet", thresholds=tmp_path / "limits.yaml")
    child = GateChild(EncoderConfig(), gate)
    found = child("bundled", lambda: None)
    assert (found.verdict, found.rows, found.reasons) == ("pass", 40, ())
    assert json.loads(found.report)["candidate"] == "bundled"


def test_a_service_that_stops_ends_the_process(tmp_path):
    pid = tmp_path / "pid"
    text = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def go_on() -> None:
        if pid.is_file() and pid.read_text():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        GateChild(EncoderConfig(), CONFIG, script(tmp_path, text))("2", go_on)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
