"""The cause of an alert: asked for before it fires, made beside the pipeline, and told with it. On a real Postgres."""

import time
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import orjson
import pytest
import sqlalchemy as sa
from fakes import LENGTH, START, STREAM, FakeCollector, healthy, make_monitor, register, spans, tell_peers, variance_slo
from test_scheduler import Clock, make_service, queue

from detectors import DETECTORS
from drift.alert import Alert, AlertKind, AlertState
from drift.config import EncoderConfig
from drift.diagnosis import cause_of
from drift.diagnosis.season import LEAST_ROWS
from drift.diagnosis.unusable import with_unusable
from drift.notify import compose
from drift.pipeline import diagnose, measure
from drift.records import Diagnosis, RowReason, Rows, Span, Window
from drift.scheduler import Scheduler, Stopped, diagnose_one, work_once
from drift.slo import RULES
from drift.store import diagnoses, jobs, reads, retention, tables, windows, writes
from drift.store.diagnoses import Request
from drift.wiring import build
from drift.wiring.diagnose_command import Models, chosen

SPAN = spans(1)[0]
HOUR = spans(12)
DAY = timedelta(days=1)
OF_ALERTS = tables.outbox.c.kind == "alert"


def unnormalised(n: int, seed: int = 1) -> np.ndarray:
    """Rows as a serving path gives them that forgets to normalise."""
    lengths = np.random.default_rng(seed).uniform(2, 4, (n, 1))
    return (healthy(n, seed) * lengths).astype(np.float32)


def bad(count: int, start=START) -> FakeCollector:
    return FakeCollector({span.start: unnormalised(128, i) for i, span in enumerate(spans(count, start), 1)})


def go(service):
    while work_once(service):
        pass


def asked(engine) -> list[sa.Row]:
    with engine.connect() as conn:
        return conn.execute(sa.select(tables.diagnosis).order_by(tables.diagnosis.c.start)).all()


def alert(engine):
    with engine.connect() as conn:
        states = (AlertState.PENDING, AlertState.FIRING, AlertState.RESOLVED)
        return next(row for row in reads.alerts(conn, states=states) if row.alert.kind == "page")


def ask(engine, span=SPAN, stream="search", slo="spread"):
    with engine.begin() as conn:
        return diagnoses.ask(conn, Request(stream, slo, span), now=START)


def keep_window(engine, span, rows, stream=STREAM):
    with engine.begin() as conn:
        writes.save_window(conn, Window(stream, span, rows, len(rows)))


def say(service) -> Diagnosis:
    """Make the one diagnosis that is wanted."""
    assert diagnose_one(service, lambda _: None)
    with service.engine.connect() as conn:
        return diagnoses.made(conn, "search", since=START - 30 * DAY)[0].found


def test_a_page_names_the_cause_that_was_found_before_it_fired(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(9))
    for span in spans(9):
        with engine.begin() as conn:
            jobs.add(conn, "search", [span], now=START)
        go(service)
        while diagnose_one(service, lambda _: None):
            pass
    row = alert(engine)
    assert row.alert.state is AlertState.FIRING
    assert asked(engine)[0].end < row.alert.fired_at
    assert row.annotations["cause"] == "missing-normalisation"
    assert "lengths of about" in row.annotations["diagnosis"]
    assert "Normalise" in row.annotations["next_step"]


def test_what_alertmanager_and_the_retrain_webhook_were_told_first_names_the_cause(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(9))
    for span in spans(9):
        with engine.begin() as conn:
            jobs.add(conn, "search", [span], now=START)
        go(service)
        diagnose_one(service, lambda _: None)
    with engine.connect() as conn:
        bodies = {row.kind: row.body for row in conn.execute(sa.select(tables.outbox))}
    (told,) = orjson.loads(bodies["alert"])
    assert told["annotations"]["cause"] == "missing-normalisation"
    cause = orjson.loads(bodies["retrain"])["data"]["cause"]
    assert cause["slug"] == "missing-normalisation"
    assert "evidence" not in cause


def test_an_alert_that_fires_without_a_diagnosis_asks_for_one_and_is_told_of_it(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(9))
    queue(engine, 9)
    go(service)
    assert "cause" not in alert(engine).annotations
    assert alert(engine).alert.fired_at in {row.end for row in asked(engine)}
    while diagnose_one(service, lambda _: None):
        pass
    assert alert(engine).annotations["cause"] == "missing-normalisation"
    peer = service.alertmanagers["http://am"]
    peer.receiver.sent.clear()
    tell_peers(engine, {"http://am": peer}, service.objectives, (), runbook_url="", now=START + DAY)
    assert peer.tell_next(now=START + DAY, resend=LENGTH)
    (message,) = peer.receiver.sent
    told, _watchdog = orjson.loads(message.body)
    assert told["annotations"]["cause"] == "missing-normalisation"


def step(service, collector: FakeCollector, span: Span, rows: np.ndarray) -> None:
    """One window, whole: measured, diagnosed."""
    collector.windows[span.start] = rows
    with service.engine.begin() as conn:
        jobs.add(conn, "search", [span], now=START)
    go(service)
    while diagnose_one(service, lambda _: None):
        pass


def test_an_alert_keeps_its_first_bad_window_and_its_cause_while_it_burns_out_and_as_it_resolves(engine):
    collector = FakeCollector({})
    # The ticket's short look-back is of two hours, so that it burns on among good windows for as long.
    rules = tuple(rule for rule in RULES if rule.name in {"fast", "ticket_1d"})
    slos = {"search": (variance_slo(target=Fraction("0.99"), rules=rules),)}
    service = make_service(engine, Clock(START + DAY), collector=collector, slos=slos)
    told = set()
    for i, span in enumerate(spans(80)):
        step(service, collector, span, unnormalised(128, i) if 3 <= i < 15 else healthy(128, i))
        with engine.connect() as conn:
            rows = [row for row in reads.alerts(conn) if row.alert.kind in {"page", "ticket"}]
        told |= {(row.alert.kind, row.alert.state, row.annotations["since"], row.annotations["cause"]) for row in rows}
    since = (START + 3 * LENGTH).isoformat()
    assert told == {
        (kind, state, since, "missing-normalisation") for kind in ("page", "ticket") for state in ("firing", "resolved")
    }
    with engine.connect() as conn:
        bodies = [orjson.loads(row.body)[0] for row in conn.execute(sa.select(tables.outbox).where(OF_ALERTS))]
    assert len(bodies) == 4
    assert {(each["annotations"]["since"], each["annotations"]["cause"]) for each in bodies} == {
        (since, "missing-normalisation")
    }


def test_an_alert_is_told_its_own_diagnosis_or_that_of_a_window_that_was_bad_for_it_and_no_other(engine):
    good, both, other = (Span(START + i * DAY / 24, START + (i + 1) * DAY / 24) for i in range(3))
    Slots(engine).put("GBG", START)
    alert = Alert("search", "spread", AlertKind.TICKET, AlertState.FIRING, both.end, both.end)
    said = {"since": START.isoformat()}
    with engine.begin() as conn:
        writes.save_alert(conn, alert, labels={}, annotations=said, muted=False)

    def after(span: Span, slo: str, cause: str) -> str | None:
        request = Request("search", slo, span)
        ask(engine, span, slo=slo)
        with engine.begin() as conn:
            diagnose.keep(conn, request, Diagnosis((cause_of(cause, 0.9, "seen"),), ()), now=span.end)
            return reads.alerts(conn)[0].annotations.get("cause")

    assert after(good, "traffic", "truncation") is None
    assert after(both, "traffic", "rotated") == "rotated"
    assert after(other, "traffic", "traffic-mix") == "rotated"
    half = Span(both.start, both.start + DAY / 48)
    assert after(half, "spread", "cls-pooling") == "cls-pooling"
    assert after(Span(half.end, both.end), "traffic", "traffic-mix") == "cls-pooling"


def test_a_window_that_looks_healthy_or_cannot_be_explained_takes_no_cause_back_from_an_alert(engine):
    each = [Span(START + i * DAY / 24, START + (i + 1) * DAY / 24) for i in range(5)]
    Slots(engine).put("BBBBB", START)
    fires = Alert("search", "spread", AlertKind.PAGE, AlertState.FIRING, each[0].end, each[0].end)
    said = {"since": START.isoformat(), "next_step": "the detector's"}
    with engine.begin() as conn:
        writes.save_alert(conn, fires, labels={}, annotations=said, muted=False)

    def after(span: Span, slo: str, cause: str) -> dict[str, str]:
        ask(engine, span, slo=slo)
        with engine.begin() as conn:
            made = Diagnosis((cause_of(cause, 0.9, "seen"),), ())
            diagnose.keep(conn, Request("search", slo, span), made, now=span.end)
            assert (
                diagnose.newest(conn, fires, START).found.causes[0].cause == reads.alerts(conn)[0].annotations["cause"]
            )
            return reads.alerts(conn)[0].annotations

    healthy_only = after(each[0], "spread", "none")
    assert healthy_only["diagnosis"].startswith(
        "The newest window that was diagnosed looks healthy (90%). seen Seen in"
    )
    assert healthy_only["next_step"] == "the detector's"
    assert after(each[1], "novelty", "rotated")["cause"] == "rotated"
    assert after(each[2], "spread", "none")["cause"] == "rotated"
    assert after(each[3], "spread", "unknown")["cause"] == "rotated"
    assert after(each[4], "spread", "truncation")["cause"] == "truncation"


def test_one_bad_window_asks_for_nothing(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(1))
    queue(engine, 1)
    go(service)
    assert asked(engine) == []


def test_an_incident_is_diagnosed_when_it_nears_and_when_it_fires_and_then_left_alone(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(24))
    queue(engine, 24)
    go(service)
    fired = alert(engine).alert.fired_at
    assert [row.end for row in asked(engine)][1:] == [fired, fired + 12 * LENGTH]
    assert asked(engine)[0].end < fired


def test_replayed_history_asks_for_nothing(engine):
    monitor = build.muted(make_monitor(engine, collector=bad(9)))
    register(engine, monitor)
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor, spans(9))
    assert alert(engine).alert.state is AlertState.FIRING
    assert asked(engine) == []


def test_no_data_has_no_cause_in_vectors(engine):
    service = make_service(engine, Clock(START + DAY), collector=bad(9))
    queue(engine, 9)
    go(service)
    say(service)
    queue(engine, 12)
    go(service)
    with engine.connect() as conn:
        told = {row.alert.kind: row.annotations for row in reads.alerts(conn)}
    assert "cause" in told["page"]
    assert "cause" not in told["nodata"]
    assert "rows still arrive" in told["nodata"]["next_step"]


def test_a_diagnosis_without_rows_says_why(engine):
    service = make_service(engine, Clock(START + DAY))
    ask(engine)
    (cause,) = say(service).causes
    assert cause.cause == "unknown"
    assert "retention.vectors" in cause.evidence


def test_too_few_rows_are_said_to_be_too_few(engine):
    service = make_service(engine, Clock(START + DAY), detectors=())
    keep_window(engine, SPAN, Rows(healthy(2)))
    ask(engine)
    (found,) = say(service).causes
    assert found.cause == "unknown"
    assert "at least 16 rows" in found.evidence
    assert "has 2" in found.evidence


@dataclass(frozen=True)
class BrokenEncoder:
    dim: int = 8
    fingerprint: str = "broken"
    asked: list[int] = field(default_factory=list)

    def encode(self, inputs):
        self.asked.append(len(inputs))
        raise RuntimeError("the card fell off the bus")


def test_a_diagnosis_that_fails_is_kept_with_its_error_and_tried_once(engine):
    encoder = BrokenEncoder()
    service = make_service(engine, Clock(START + DAY), encoder=encoder)
    keep_window(engine, SPAN, Rows(healthy(64), inputs=("a",) * 64))
    ask(engine)
    (cause,) = say(service).causes
    assert "the card fell off the bus" in cause.evidence
    assert not diagnose_one(service, lambda _: None)
    assert len(encoder.asked) == 1
    assert service.failures.counts == {"diagnose": 1}


def test_a_diagnosis_that_is_given_up_begins_anew(engine):
    service = make_service(engine, Clock(START + DAY))
    keep_window(engine, SPAN, Rows(unnormalised(64), inputs=("a",) * 64))
    ask(engine)

    def stop(_: str) -> None:
        raise Stopped

    monitor = replace(service.monitors["search"], encoder=BrokenEncoder())
    assert not diagnose_one(replace(service, monitors={"search": monitor}), stop)
    assert say(service).causes[0].cause == "missing-normalisation"


def test_the_service_makes_diagnoses_by_itself(engine):
    service = make_service(engine, Clock(START + DAY))
    keep_window(engine, SPAN, Rows(unnormalised(64)))
    ask(engine)
    scheduler = Scheduler(service)
    scheduler.start()
    patience = time.monotonic() + 30
    while asked(engine)[0].made_at is None and time.monotonic() < patience:
        time.sleep(0.05)
    scheduler.stop()
    assert asked(engine)[0].made_at == START + DAY


def test_two_processes_never_make_the_same_diagnosis(engine):
    ask(engine)
    with engine.begin() as one, engine.begin() as two:
        claimed = [diagnoses.claim(conn, names=["search"]) for conn in (one, two)]
    assert claimed == [Request("search", "spread", SPAN), None]


def test_the_streams_of_other_files_are_left_to_their_processes(engine):
    ask(engine, stream="ads/lang=de")
    with engine.begin() as conn:
        assert diagnoses.claim(conn, names=["search"]) is None
        assert diagnoses.claim(conn, names=["ads"]) is not None


def test_a_stretch_is_asked_for_once(engine):
    assert ask(engine)
    assert not ask(engine, slo="other")


def test_a_merged_stretch_is_drawn_from_all_of_its_windows(engine):
    for i, span in enumerate(spans(3)):
        keep_window(engine, span, Rows(healthy(60, i), ids=tuple(f"{i}-{j}" for j in range(60))))
    with engine.connect() as conn:
        rows = windows.drawn(conn, "search", 8, [Span(START, START + 3 * LENGTH)], most=90)
    counts = np.bincount([int(str(id_)[0]) for id_ in rows.ids])
    assert counts.tolist() == [30, 30, 30]
    assert list(rows.ids) != sorted(rows.ids)


def test_windows_keep_the_segments_of_their_rows(engine):
    rows = Rows(healthy(4), segments={"lang": ("de", "en", None, "de")}, labels=("a", None, "b", "c"))
    keep_window(engine, SPAN, rows)
    with engine.connect() as conn:
        found = windows.drawn(conn, "search", 8, [SPAN], most=10)
    assert found.segments == {"lang": ("de", "en", None, "de")}
    assert found.labels == rows.labels
    assert np.abs(found.vectors - rows.vectors).max() < 1e-3


def test_diagnoses_are_forgotten_with_history(engine):
    ask(engine)
    ask(engine, spans(2)[1])
    with engine.begin() as conn:
        retention.forget(conn, vectors=START, history=START + 1.5 * LENGTH, now=START + DAY)
    assert [row.start for row in asked(engine)] == [START + LENGTH]


def test_receivers_never_see_inputs(engine):
    rows = replace(moved(128, 2), inputs=tuple(f"a secret {i}" for i in range(128)))
    service = make_service(engine, Clock(START + DAY))
    keep_window(engine, SPAN, rows)
    ask(engine)
    found = str(say(service))
    assert "most of it comes from 'row " in found
    assert "secret" not in found


def moved(n: int, seed: int) -> Rows:
    """A mix that the reference does not have: most rows from one side."""
    x = healthy(4 * n, seed)
    return Rows(x[np.argsort(-x[:, 0])[:n]])


@dataclass
class Slots:
    engine: sa.Engine

    def put(self, outcomes: str, start) -> None:
        """One slot an hour, G or B."""
        rows = [
            {"stream": "search", "slo": "spread", "start": start + i * DAY / 24, "end": start + (i + 1) * DAY / 24}
            | {"outcome": {"G": "good", "B": "bad"}[each], "remaining": 1, "rule": "", "burn_long": 0, "burn_short": 0}
            for i, each in enumerate(outcomes)
        ]
        with self.engine.begin() as conn:
            conn.execute(sa.insert(tables.slot), rows)


@pytest.mark.parametrize(("between", "seasonal"), [("G" * 22, True), ("B" * 22, False)])
def test_what_comes_back_every_day_at_this_hour_is_a_season(engine, between, seasonal):
    service = make_service(engine, Clock(START + DAY))
    yesterday = Span(START - DAY, START - DAY + LENGTH)
    keep_window(engine, yesterday, moved(128, 1))
    keep_window(engine, SPAN, moved(128, 2))
    Slots(engine).put(between, START - DAY + timedelta(hours=1))
    ask(engine)
    found = say(service)
    assert (found.causes[0].cause == "seasonality") is seasonal
    assert sum(cause.score for cause in found.causes) <= 1.005


def test_a_row_without_an_id_is_not_named_by_its_input_though_others_have_ids(engine):
    service = make_service(engine, Clock(START + DAY))
    rows = moved(128, 2)
    ids = tuple(f"id-{i}" if i % 2 else None for i in range(128))
    keep_window(engine, SPAN, replace(rows, ids=ids, inputs=("a private text",) * 128))
    ask(engine)
    evidence = " ".join(cause.evidence for cause in say(service).causes)
    assert "most of it comes from" in evidence
    assert "private" not in evidence


def test_what_yesterday_did_not_look_like_is_no_season(engine):
    service = make_service(engine, Clock(START + DAY))
    keep_window(engine, Span(START - DAY, START - DAY + LENGTH), Rows(healthy(128, 3)))
    keep_window(engine, SPAN, moved(128, 2))
    Slots(engine).put("G" * 22, START - DAY + timedelta(hours=1))
    ask(engine)
    found = say(service)
    assert found.causes[0].cause != "seasonality"
    assert "seasonality" in found.ruled_out
    assert found.against["seasonality"].startswith("rows of the same hours on other days are unlike (p ")


def test_the_next_step_of_an_unknown_cause_is_that_of_the_detector(engine):
    keep_window(engine, SPAN, Rows(healthy(LEAST_ROWS)))
    ask(engine)
    with engine.begin() as conn:
        request = diagnoses.claim(conn, names=["search"])
        made = diagnose.keep(conn, request, diagnose.without("no time"), now=START)
    assert "next_step" not in compose.diagnosed(made)
    named = Diagnosis((cause_of("truncation", 0.97, "9 of 10 rows fail."),), ())
    said = compose.diagnosed(replace(made, found=named))
    assert said["diagnosis"].startswith("truncation (97%). 9 of 10 rows fail.")
    assert said["next_step"] == cause_of("truncation", 1.0, "").next_step


def test_what_skew_lets_pass_the_diagnosis_lets_pass(engine):
    def shaken(n: int) -> Rows:
        x = healthy(n) + 0.01 * healthy(n, 5)[:, ::-1]
        return Rows((x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32), inputs=tuple(map(str, range(n))))

    encoder = FixedEncoder(healthy(64))
    keep_window(engine, SPAN, shaken(64))
    for tolerance, passes in ((1e-6, False), (0.01, True)):
        monitor = make_monitor(engine, encoder=encoder, detectors=(DETECTORS["skew"](tolerance=tolerance),))
        with engine.begin() as conn:
            found = diagnose.make(conn, monitor, Request("search", "", SPAN), lambda _: None)
        assert ("within tolerance" in found.causes[0].evidence) is passes


@dataclass(frozen=True)
class FixedEncoder:
    """Gives its own rows, in order."""

    vectors: np.ndarray
    dim: int = 8
    fingerprint: str = "fixed"

    def encode(self, inputs):
        return self.vectors[[int(each) for each in inputs]]


def test_rows_that_cannot_be_used_are_part_of_the_diagnosis(engine):
    window = Window(STREAM, SPAN, Rows(healthy(128)), 200, {RowReason.ZERO_VECTOR: 50, RowReason.NOT_FINITE: 22})
    with engine.begin() as conn:
        writes.save_window(conn, window)
    ask(engine)
    found = say(make_service(engine, Clock(START + DAY)))
    assert found.causes[0].cause == "zeroed-dimensions"
    assert "36% of 200 rows cannot be used (zero vector 50, not finite 22)" in found.causes[0].evidence
    assert "zeroed-dimensions" not in found.ruled_out
    assert "none" not in {cause.cause for cause in found.causes}
    well = Diagnosis((cause_of("none", 0.95, ""),), ("zeroed-dimensions",), {"zeroed-dimensions": "all are as served"})
    assert with_unusable(well, window).against == {}


def test_a_stream_is_looked_at_with_the_encoder_that_is_named_and_its_own_threads_and_candidates(tmp_path):
    own = EncoderConfig(model="bundled", threads=1, candidates=("./next",), prefix="query: ")
    (tmp_path / "other.yaml").write_text("model: bundled\npooling: cls\nthreads: 2\n")
    other = str(tmp_path / "other.yaml")
    assert chosen(Models(), own) == own
    assert chosen(Models("./other"), own) == EncoderConfig(model="./other", threads=1, candidates=("./next",))
    assert chosen(Models(other), own) == EncoderConfig(pooling="cls", threads=2, candidates=("./next",))
    assert chosen(Models("", ("./old",)), own) == own.model_copy(update={"candidates": ("./old",)})
