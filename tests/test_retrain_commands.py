"""Retraining and webhooks at the command line, on a real Postgres and against a real receiver."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from fakes import START
from peers import Receiver, Reply
from test_retrains import FREE, TWO, asked, intents, play
from typer.testing import CliRunner

from drift.cli import app
from drift.notify.signature import generate_secret, verify
from drift.store import endpoints, outbox, tables
from drift.store.outbox import Draft, MessageKind, MessageState

SECRET, OLD = generate_secret(), generate_secret()
CONFIG = """\
streams: [{{id: search, model: encoder, dim: 8, reference: {{path: golden.parquet}}}}]
receivers:
  webhooks:
    - {{name: retrain, url: "{url}", secret: "{secret}", allow_networks: [127.0.0.0/8]}}
    - {{name: train, url: "{url}", adapter: airflow, target: retrain, token: x, allow_http: true}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, postgres_url):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFT_DATABASE_URL", postgres_url)
    write(tmp_path, "http://127.0.0.1:9")
    return tmp_path


def write(folder, url, secret=SECRET.text):
    (folder / "drift.yaml").write_text(CONFIG.format(url=url, secret=secret))


def drift(*words: str):
    return CliRunner().invoke(app, list(words))


def read(*words: str):
    done = drift(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def put(engine, *ids, state=MessageState.DEAD):
    with engine.begin() as conn:
        for i, id_ in enumerate(ids):
            draft = Draft(id_, "retrain", MessageKind.RETRAIN, b"{}")
            outbox.put(conn, draft, state=state, now=START + timedelta(minutes=i))


def due(engine) -> list[str]:
    with engine.connect() as conn:
        t = tables.outbox
        return list(conn.execute(sa.select(t.c.id).where(t.c.state == "due").order_by(t.c.created_at)).scalars())


def test_retrains_are_listed_and_shown_with_those_that_joined(engine, folder):
    play(engine, "B" * 9, slos={"search": TWO})
    rows = {row["state"]: row for row in read("retrain", "list")}
    assert set(rows) == {"requested", "joined"}
    assert read("retrain", "show", rows["requested"]["id"][:12])["joined"] == [rows["joined"]["id"]]
    shown = drift("retrain", "show", rows["requested"]["id"]).output
    assert "joined by" in shown
    said = drift("retrain", "list").output
    assert all(id_ in said for id_ in (row["id"] for row in rows.values()))


def test_an_approval_is_tried_before_it_is_given(engine, folder):
    play(engine, "B" * 9, FREE.__class__(approval=True))
    id_ = intents(engine)[0].id
    assert "would be asked" in drift("retrain", "approve", id_[:9], "--dry-run").output
    assert (asked(engine), intents(engine)[0].state) == ([], "waiting")
    assert "are asked" in drift("retrain", "approve", id_[:9]).output
    assert asked(engine) == [id_]
    assert "@" in intents(engine)[0].by


def test_a_rejection_is_tried_before_it_is_given(engine, folder):
    play(engine, "B" * 9)
    id_ = intents(engine)[0].id
    drift("retrain", "reject", id_, "--dry-run")
    assert asked(engine) == [id_]
    assert read("retrain", "reject", id_, "--reason", "not now")["detail"] == "not now"
    assert asked(engine) == []


def test_what_is_not_there_is_said_in_words(engine, folder):
    for words in (("retrain", "approve", "msg_x"), ("webhook", "replay", "msg_x"), ("webhook", "test", "other")):
        done = drift(*words)
        assert (done.exit_code, "error:" in done.output) == (1, True)


def test_webhooks_are_listed_with_what_waits_and_whether_they_are_disabled(engine, folder):
    write(folder, f"http://127.0.0.1:9/{'path/' * 16}")
    put(engine, "a", "b")
    with engine.begin() as conn:
        endpoints.disable(conn, "retrain", why="gone", now=START)
    first, second = read("webhook", "list")
    assert (first["name"], first["state"], first["why"], first["dead"]) == ("retrain", "disabled", "gone", 2)
    assert (second["adapter"], second["state"]) == ("airflow", "enabled")
    said = drift("webhook", "list").output
    assert "disabled" in said
    assert first["url"] in said
    assert "retrain is enabled" in drift("webhook", "enable", "retrain").output
    assert "was not disabled" in drift("webhook", "enable", "retrain").output


def test_a_webhook_that_is_in_the_file_no_more_is_enabled_too(engine, folder):
    with engine.begin() as conn:
        endpoints.disable(conn, "removed", why="gone", now=START)
    assert "removed is enabled" in drift("webhook", "enable", "removed").output
    assert drift("webhook", "enable", "removed").exit_code == 1


@pytest.mark.parametrize("secret", [SECRET.text, f"{OLD.text} {SECRET.text}"], ids=["one", "two"])
def test_a_test_event_arrives_signed_and_is_not_kept(engine, folder, secret):
    with Receiver() as receiver:
        write(folder, receiver.url, secret)
        said = read("webhook", "test", "retrain")
    (request,) = receiver.received
    id_ = verify(request.headers, request.body, [SECRET], now=datetime.now(UTC))
    assert id_ in said["answer"]
    assert json.loads(request.body)["type"] == "io.drift.test"
    assert due(engine) == []


def test_a_test_that_is_not_taken_fails(engine, folder):
    with Receiver(lambda _: Reply(500, body=b"out of order")) as receiver:
        write(folder, receiver.url)
        done = drift("webhook", "test", "retrain")
        assert (done.exit_code, "out of order" in done.output) == (1, True)
        assert "would start a run" in drift("webhook", "test", "train").output
    assert len(receiver.received) == 1


def test_a_message_is_shown_and_sent_anew_with_its_id(engine, folder):
    put(engine, "msg_a")
    assert read("webhook", "show", "msg_a")[0]["state"] == "dead"
    assert "dead" in drift("webhook", "show", "msg").output
    assert drift("webhook", "replay", "msg_a", "--dry-run").exit_code == 0
    assert due(engine) == []
    assert drift("webhook", "replay", "msg_a").exit_code == 0
    assert due(engine) == ["msg_a"]
    assert drift("webhook", "replay", "msg_a").exit_code == 1  # it waits already


def test_several_messages_are_named_first_and_sent_anew_only_on_yes(engine, folder):
    put(engine, "msg_a", "msg_b")
    assert "--yes" in drift("webhook", "replay", "--dead").output
    assert due(engine) == []
    assert drift("webhook", "replay", "--dead", "--receiver", "other", "--yes").exit_code == 0
    assert due(engine) == []
    assert read("webhook", "replay", "--dead", "--yes")["sent_anew"]
    assert due(engine) == ["msg_a", "msg_b"]


def test_more_than_two_secrets_are_refused(folder):
    write(folder, "http://127.0.0.1:9", " ".join(generate_secret().text for _ in range(3)))
    assert "found 3" in drift("webhook", "test", "retrain").output


def test_a_reason_that_is_too_long_is_refused_with_its_length(folder):
    done = drift("retrain", "reject", "x", "--reason", "y" * 100_000)
    assert done.exit_code == 2
    said = " ".join(done.stderr.replace("│", " ").split())
    assert "--reason has 100000 characters, at most 2000 are kept" in said
    assert "yyy" not in said
