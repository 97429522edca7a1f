"""Every page stands on every database: an empty one, one that is not migrated, one that is away, and a full one."""

from datetime import UTC, datetime, timedelta

import pytest
from test_dashboard import APP, config_file, html, page, seeded_url  # noqa: F401

from dashboard import data
from drift.records import Stream
from drift.store import writes
from drift.store.connect import connect

VIEWS = sorted(path.stem for path in (APP.parent / "views").glob("[a-z]*.py"))
STREAMS = {"stream": "docs-search", "times": "support-tickets", "projection": "support-tickets"}
QUERIES = {view: {"stream": stream} for view, stream in STREAMS.items()}
NEEDS_NONE = {"incident"}
"""Pages that ask the database only once the address says for what."""


def said(app) -> str:
    """All that is told in boxes."""
    return " ".join(box.value for kind in (app.info, app.warning, app.error) for box in kind)


def test_all_pages_are_found():
    listed = (APP.read_text()).count("st.Page(")
    assert len(VIEWS) == listed >= 8


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_database_is_no_fault_and_says_what_to_do(page, postgres_url, view):  # noqa: F811
    app = page(postgres_url, view, **QUERIES.get(view, {}))
    assert not app.error
    assert view == "incidents" or app.info or app.warning


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("fault", ["not migrated", "away"])
def test_a_broken_database_is_named_with_what_is_wrong(page, server, view, fault):  # noqa: F811
    url = server.admin_url if fault == "not migrated" else "postgresql://nobody@127.0.0.1:1/none"
    app = page(url, view, **QUERIES.get(view, {}))
    if view in NEEDS_NONE:
        assert not app.error
        return
    assert "Nothing can be shown" in said(app)
    assert ("drift migrate" if fault == "not migrated" else "does not answer") in said(app)


@pytest.mark.parametrize("view", VIEWS)
def test_a_full_database_is_shown(page, seeded_url, view):  # noqa: F811
    app = page(seeded_url, view, **QUERIES.get(view, {}))
    assert not app.error
    assert "<" in html(app)


@pytest.mark.parametrize("view", ["times", "projection", "stream"])
def test_a_stream_that_is_not_known_is_named_and_no_other_is_shown(page, seeded_url, view):  # noqa: F811
    app = page(seeded_url, view, stream="suport-tickets")
    assert "No stream is called `suport-tickets`. Did you mean `support-tickets`?" in app.warning[0].value
    if view != "stream":
        assert app.selectbox(key="stream").value is None
        assert not app.get("bidi_component")


@pytest.mark.parametrize("mark", ["\0", "`"])  # Postgres takes no NUL, and a backtick would end the code in Markdown
@pytest.mark.parametrize("view", ["times", "projection", "stream", "incident"])
def test_a_mark_that_no_name_has_is_neither_an_outage_nor_markup(page, seeded_url, view, mark):  # noqa: F811
    app = page(seeded_url, view, stream=f"a{mark}b", slo=f"c{mark}d", kind="page", since="2026-01-01T00:00:00Z")
    assert not app.error
    assert "`a\N{REPLACEMENT CHARACTER}b`" in app.warning[0].value


def test_incidents_of_a_stretch_of_time_have_all_their_messages_and_none_from_before(page, seeded_url):  # noqa: F811
    page(seeded_url)
    hour = timedelta(hours=1)
    newest, ever = data.incidents(hour).value, data.incidents(None).value
    assert all(m.delivery.created_at >= newest.at - hour or m.delivery.state == "due" for m in newest.messages)
    assert len(newest.messages) < len(ever.messages)
    assert any(newest.told.values())
    assert newest.told == {row.alert.id: ever.told.get(row.alert.id, ()) for row in newest.alerts}


def test_a_stream_that_loses_its_objectives_while_it_is_shown_says_so(page, postgres_url, monkeypatch):  # noqa: F811
    """As when the file cannot be read any more before the first window was counted."""
    engine = connect(postgres_url)
    with engine.begin() as conn:
        writes.register(conn, Stream("docs-search", "m", "1", 4), team="", open_from=datetime.now(UTC))
    engine.dispose()
    read, said = data.config, []

    def config():
        said.append(read() if not said else (None, "it cannot be read"))
        return said[-1]

    monkeypatch.setattr(data, "config", config)
    app = page(postgres_url, "stream", stream="docs-search")
    assert "Stream `docs-search` has no objective yet" in app.info[0].value
