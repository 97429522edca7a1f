"""Each team's tickets, once, as one message; on a real Postgres."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx2
import orjson
import pytest
import sqlalchemy as sa
from fakes import FakeNotifier
from peers import Receiver

from drift.alert import Alert, AlertKind, AlertState
from drift.config import load
from drift.errors import DeliveryError
from drift.notify.addresses import EVERYWHERE
from drift.notify.digest import digest_id
from drift.notify.signature import generate_secret, verify
from drift.notify.webhook import Webhook
from drift.pipeline import deliver, digest
from drift.pipeline.digest import Schedule
from drift.store import outgoing, tables, writes
from drift.wiring.build import build_outlet
from drift.wiring.receivers import build_digest

NINE = Schedule(time(9), ZoneInfo("UTC"), ("tickets",))
D0 = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)


def at(day: int, clock: str) -> datetime:
    return datetime.combine(D0 + day * DAY, time.fromisoformat(clock), UTC)


def fire(engine, fired: datetime, team="search", slo="rank", *, gone=None, kind=AlertKind.TICKET, **changes):
    alert = Alert(team or "nobody", slo, kind, AlertState.RESOLVED if gone else AlertState.FIRING, fired, fired, gone)
    alert, muted = replace(alert, **changes.pop("alert", {})), changes.pop("muted", False)
    with engine.begin() as conn:
        told = {"summary": f"{slo} moved", "dashboard_url": "http://dash/stream?slo=" + slo}
        labels = {"team": team} if team else {}
        writes.save_alert(conn, alert, labels=labels, annotations=told, muted=muted)


def write(engine, now: datetime, schedule: Schedule = NINE) -> int:
    with engine.begin() as conn:
        return digest.write(conn, schedule, now=now)


def sent(engine) -> list[dict]:
    """What the digests say, as they were written down."""
    with engine.connect() as conn:
        rows = conn.execute(sa.select(tables.outbox).order_by(tables.outbox.c.created_at, tables.outbox.c.id))
        return [orjson.loads(row.body) | {"as": (row.id, row.receiver, row.kind, row.state)} for row in rows]


def counts(engine) -> list[tuple[object, ...]]:
    return [(e["time"][8:10], *(e["data"][k] for k in ("owner", "alerts", "open", "distinct"))) for e in sent(engine)]


def test_each_team_is_told_of_each_ticket_once_also_of_those_that_are_over(engine):
    """G01 of the acceptance cases."""
    fire(engine, at(0, "09:10"), gone=at(0, "09:20"))
    fire(engine, at(0, "15:00"))
    fire(engine, at(0, "16:40"), "ads", "spread")
    fire(engine, at(1, "09:00"), slo="novelty")
    fire(engine, at(1, "09:01"), slo="skew")
    assert [write(engine, at(day, "09:01")) for day in (0, 1, 2, 3)] == [0, 2, 1, 0]
    assert counts(engine) == [("03", "ads", 1, 1, 1), ("03", "search", 3, 2, 2), ("04", "search", 1, 1, 1)]


def test_a_digest_is_a_cloud_event_with_a_line_for_each_ticket(engine):
    fire(engine, at(0, "10:00"), gone=at(0, "10:30"), kind=AlertKind.NODATA)
    write(engine, at(1, "09:00"))
    (event,) = sent(engine)
    assert event.pop("as") == ("digest:search:2026-03-03", "tickets", "digest", "due")
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": "digest:search:2026-03-03",
        "source": "drift",
        "type": "io.drift.digest",
        "time": "2026-03-03T09:00:00Z",
        "datacontenttype": "application/json",
    }
    assert data["tickets"] == [
        {
            "stream": "search",
            "slo": "rank",
            "kind": "nodata",
            "state": "resolved",
            "fired_at": "2026-03-02T10:00:00Z",
            "resolved_at": "2026-03-02T10:30:00Z",
            "summary": "rank moved",
            "dashboard_url": "http://dash/stream?slo=rank",
        }
    ]


def test_pages_pending_alerts_and_replayed_history_are_no_tickets(engine):
    fire(engine, at(0, "10:00"), kind=AlertKind.PAGE)
    fire(engine, at(0, "10:00"), slo="a", alert={"state": AlertState.PENDING, "fired_at": None})
    fire(engine, at(0, "10:00"), slo="b", muted=True)
    assert write(engine, at(1, "09:00")) == 0
    assert sent(engine) == []


def test_it_is_made_once_a_day_however_often_it_is_asked_for(engine):
    fire(engine, at(0, "10:00"))
    assert [write(engine, at(1, "09:00") + i * MINUTE) for i in range(3)] == [1, 0, 0]
    assert len(sent(engine)) == 1


def test_a_ticket_that_was_counted_late_is_in_the_next_digest(engine):
    fire(engine, at(0, "10:00"))
    write(engine, at(1, "09:00"))
    fire(engine, at(1, "08:55"), slo="late")
    assert [write(engine, at(1, "09:05")), write(engine, at(2, "09:00"))] == [0, 1]
    assert [[t["slo"] for t in e["data"]["tickets"]] for e in sent(engine)] == [["rank"], ["late"]]


def test_what_began_while_the_service_was_away_is_told_when_it_is_back(engine):
    fire(engine, at(0, "10:00"))
    fire(engine, at(2, "08:00"), slo="spread")
    fire(engine, at(2, "10:00"), slo="skew")
    write(engine, at(2, "11:30"))
    assert counts(engine) == [("04", "search", 2, 2, 2)]


def test_the_first_digest_is_not_one_of_a_year(engine):
    fire(engine, at(0, "09:00"))
    fire(engine, at(0, "09:01"), slo="spread")
    write(engine, at(7, "09:00"))
    assert [[t["slo"] for t in e["data"]["tickets"]] for e in sent(engine)] == [["spread"]]


def test_what_goes_on_is_not_told_again_when_it_ends(engine):
    fire(engine, at(0, "10:00"))
    write(engine, at(1, "09:00"))
    fire(engine, at(0, "10:00"), gone=at(1, "12:00"))
    assert write(engine, at(2, "09:00")) == 0


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2026-03-28T07:59", "2026-03-27T08:00"),
        ("2026-03-28T08:00", "2026-03-28T08:00"),
        ("2026-03-29T07:00", "2026-03-29T07:00"),  # clocks went forward in the night
        ("2026-10-25T07:59", "2026-10-24T07:00"),  # and back
        ("2026-10-25T08:00", "2026-10-25T08:00"),
    ],
)
def test_the_hour_is_that_of_the_clocks_in_the_zone(now, last):
    schedule = replace(NINE, zone=ZoneInfo("Europe/Berlin"))
    moment, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, last))
    assert schedule.last(moment).astimezone(UTC) == expected


def test_each_day_has_one_moment_whatever_the_clocks_do_then():
    """At 02:30, which does not exist on one night of the year and exists twice on another."""
    schedule = Schedule(time(2, 30), ZoneInfo("Europe/Berlin"), ("tickets",))
    for night in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        moments = [schedule.last(night - HOUR + i * MINUTE) for i in range(6 * 60)]
        assert len({moment.astimezone(UTC) for moment in moments}) == 2
        assert [m.date() for m in moments] == sorted(m.date() for m in moments)


def test_a_restart_between_state_and_commit_loses_no_ticket(engine):
    fire(engine, at(0, "10:00"))
    with engine.connect() as conn:
        assert digest.write(conn, NINE, now=at(1, "09:00")) == 1
        conn.rollback()
    assert write(engine, at(1, "09:02")) == 1


@pytest.mark.parametrize("team", ["search", "", "a.b", "Süd/Ost", "two words", "x" * 100])
def test_any_team_is_told_by_a_signed_webhook(engine, team):
    fire(engine, at(0, "10:00"), team)
    write(engine, at(1, "09:00"))
    secret = generate_secret()
    with httpx2.Client(trust_env=False) as client, Receiver() as receiver:
        webhook = Webhook("tickets", receiver.url, (secret,), client, EVERYWHERE)
        with engine.begin() as conn:
            assert deliver.deliver_one(conn, "tickets", webhook, resend=MINUTE, now=at(1, "09:00"))
    (got,) = receiver.received
    headers = {name.lower(): value for name, value in got.headers.items()}
    verify(headers, got.body, (secret,), now=at(1, "09:00"))
    assert orjson.loads(got.body)["data"]["owner"] == team
    assert headers["webhook-id"] == digest_id(team, at(1, "09:00").date())


def test_teams_of_like_names_have_digests_of_their_own():
    teams = ["a b", "a+b", "a%20b", "a.b", "a%2Eb", "a_b"]
    assert len({digest_id(team, D0.date()) for team in teams}) == len(teams)


def test_a_webhook_may_be_for_digests_alone(tmp_path):
    hooks = "{name: tickets, url: 'https://x', secret: s, events: [digest]}, {name: train, url: 'https://y', secret: s}"
    stream = "streams: [{id: search, model: m, dim: 8, reference: {path: x.parquet}}]"
    (tmp_path / "drift.yaml").write_text(f"{stream}\nreceivers: {{webhooks: [{hooks}]}}\ndigest: {{}}\n")
    config = load(tmp_path / "drift.yaml")
    assert build_outlet(config, "m").webhooks == ("train",)
    assert build_digest(config).receivers == ("tickets",)


def test_a_digest_is_retried_for_days_like_a_webhook(engine):
    fire(engine, at(0, "10:00"))
    write(engine, at(1, "09:00"))
    broken = FakeNotifier([DeliveryError("no", status=500)] * 10)
    for _ in range(9):
        with engine.begin() as conn:
            (due,) = conn.execute(sa.select(tables.outbox.c.due_at)).scalars()
            assert deliver.deliver_one(conn, "tickets", broken, resend=MINUTE, now=due)
    with engine.connect() as conn:
        (row,) = outgoing.messages(conn)
    assert (row.delivery.state, row.delivery.attempts) == ("due", 9)
    assert row.delivery.due_at - at(1, "09:00") > timedelta(hours=60)
