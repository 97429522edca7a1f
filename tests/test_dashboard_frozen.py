"""A Postgres that is frozen, with its connections open: a page says so in time, and goes on when it does."""

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from conftest import Server
from test_dashboard import config_file, page, text  # noqa: F401

from dashboard import data, questions
from dashboard.questions import Questions
from drift.config import load
from drift.errors import StoreError
from drift.store import migrate, writes
from drift.store.connect import connect
from drift.store.embedded import FAST_FOR_TESTS, EmbeddedPostgres

Freeze = Callable[[signal.Signals], None]


@pytest.fixture
def other(config_file: Path) -> Iterator[tuple[str, Freeze]]:  # noqa: F811
    """The URL of a server of its own, which knows a stream, and what sends a signal to all its processes."""
    home = Path(tempfile.mkdtemp(prefix="drift-frozen-"))
    home.chmod(0o755)
    postgres = EmbeddedPostgres(home / "postgres", FAST_FOR_TESTS)
    postgres.start()
    engine = connect(postgres.url())
    migrate.upgrade(engine)
    with engine.begin() as conn:
        writes.register(conn, load(config_file).streams[0].stream, team="search", open_from=datetime.now(UTC))
    engine.dispose()
    first = int((postgres.root / "data" / "postmaster.pid").read_text().split()[0])

    def tell(what: signal.Signals) -> None:
        os.kill(first, what)
        for each in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            os.kill(int(each), what)

    try:
        yield postgres.url(), tell
    finally:
        tell(signal.SIGCONT)
        postgres.stop()
        shutil.rmtree(home)


def test_a_frozen_server_is_away_and_what_was_known_stays_with_its_age(page, other, monkeypatch):  # noqa: F811
    monkeypatch.setattr(data, "TTL", timedelta())
    monkeypatch.setattr(data, "WITHIN", timedelta(seconds=1.5))
    monkeypatch.setattr(questions, "BRIEFLY", 0.2)
    url, tell = other
    app = page(url)
    assert "✓ No page is firing" in text(app)
    assert not app.warning
    known = {"stream": page(url, "stream", stream="docs-search"), "incidents": page(url, "incidents")}
    assert "No incident is open" in text(known["incidents"])
    tell(signal.SIGSTOP)
    app.run()
    assert "The database does not answer" in app.warning[0].value
    assert "what was known" in app.warning[0].value
    assert "it was asked, and has said nothing for 1.5 s" in app.warning[0].value
    assert "docs-search" in text(app)
    assert re.search(r"○ How things are now is not known; at [\d:]+.UTC: 0 pages firing", text(app))
    assert "No page is firing" not in text(app)
    for tab, calm in (("stream", "no window in time for"), ("incidents", "No incident is open")):
        shown = text(known[tab].run())
        assert "How things are now is not known" in shown
        assert calm not in shown
    fresh = page(url, "operations")
    assert "Nothing can be shown" in fresh.error[0].value
    assert "has said nothing for 0.2 s" in fresh.error[0].value  # nobody waits in full for what is known to be silent
    tell(signal.SIGCONT)
    app.run()
    assert not app.warning
    assert not fresh.run().error


def test_a_pool_that_is_used_up_is_no_fault_of_the_page(server: Server, monkeypatch):
    reader = data.connect_reader(server.url(server.template))
    monkeypatch.setattr(reader.pool, "_timeout", 0.1)
    monkeypatch.setattr(reader.pool, "_max_overflow", 0)
    held = [reader.connect() for _ in range(reader.pool.size())]
    try:
        with pytest.raises(StoreError, match="QueuePool limit"), data.views.reading(reader):
            pass
    finally:
        for conn in held:
            conn.close()
        reader.dispose()


def test_a_question_that_hangs_is_not_asked_again_and_its_late_answer_is_for_nobody():
    asked, go_on = [], Event()

    def hangs() -> int:
        asked.append(1)
        go_on.wait(30)
        return len(asked)

    mine = Questions("host", timedelta(seconds=0.05))
    for _ in range(2):
        with pytest.raises(StoreError, match="host does not answer"):
            mine.ask("one", hangs)
    assert len(asked) == 1
    assert mine.ask("other", lambda: 7) == 7
    go_on.set()
    mine._asked["one"].answer.result(30)
    assert mine.ask("one", hangs) == 2


def test_one_slow_question_makes_no_server_silent_that_answers_others(monkeypatch):
    monkeypatch.setattr(questions, "BRIEFLY", 0.0)
    go_on = Event()
    mine = Questions("host", timedelta(seconds=0.5))
    with pytest.raises(StoreError):
        mine.ask("slow", lambda: go_on.wait(30))
    with pytest.raises(StoreError):
        mine.ask("other", lambda: go_on.wait(0.05))
    mine._answered = mine._asked["slow"].at + 0.01  # as where another was answered meanwhile
    assert mine.ask("another", lambda: go_on.wait(0.01)) is False
    go_on.set()
