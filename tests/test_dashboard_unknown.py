"""What an address asks for and nobody knows is named, with what would be right, and the page is as without it."""

import pytest
from test_dashboard import config_file, page, rows, seeded_url, text  # noqa: F401

STREAM = {"stream": "docs-search"}
MINE = {"stream": "support-tickets"}
CASES = [
    ("fleet", {"state": "pgae"}, "state `pgae`", "Did you mean `page`? Known are `page`, `ticket`, `pending`"),
    ("fleet", {"team": "shopp"}, "team `shopp`", "Did you mean `shop`?"),
    ("stream", {**STREAM, "slo": "trafic"}, "slo `trafic`", "Did you mean `traffic`?"),
    ("stream", {**STREAM, "range": "2 weeks"}, "range `2 weeks`", "Known are `15 min`, `1 h`"),
    ("stream", {**STREAM, "look": "a`b"}, "look `a\N{REPLACEMENT CHARACTER}b`", "Known are `dimensions`"),
    ("stream", {**STREAM, "from": "noon", "to": "now"}, "from `noon to now`", "Needed are two times"),
    ("stream", {**STREAM, "look": "dimensions", "dim": "x"}, "dim `x`", "Needed is the number of a dimension"),
    ("incidents", {"within": "1 year"}, "within `1 year`", "Known are `1 d`, `7 d`, `30 d`, `all`"),
    ("incidents", {"episode": "closed"}, "episode `closed`", "Known are `open`, `resolved`"),
    ("incidents", {"kind": "pages"}, "kind `pages`", "Did you mean `page`?"),
    ("incident", {**STREAM, "slo": "traffic", "kind": "paeg", "since": "2026-03-01T00:00Z"}, "kind `paeg`", "`page`"),
    ("incident", {**STREAM, "slo": "traffic", "kind": "page", "since": "noon"}, "since `noon`", "Needed is when"),
    ("times", {**MINE, "last": "2 y"}, "last `2 y`", "Known are"),
    ("times", {**MINE, "a": "noon"}, "a `noon`", "Kept are times from"),
    ("projection", {**MINE, "by": "side by side"}, "by `side by side`", "Known are"),
    ("gate", {"id": "nothing"}, "id `nothing`", "Known are"),
]


@pytest.mark.parametrize(("view", "query", "asked", "right"), CASES)
def test_what_is_not_known_is_named_with_what_would_be_right(page, seeded_url, view, query, asked, right):  # noqa: F811
    app = page(seeded_url, view, **query)
    (said,) = (box.value for box in app.warning if "The address asks for" in box.value)
    assert f"asks for {asked}, which is not known" in said
    assert right in said


def test_the_page_is_as_without_what_is_not_known(page, seeded_url):  # noqa: F811
    without = rows(page(seeded_url))
    assert len(rows(page(seeded_url, state="pgae"))) == len(without)
    some = page(seeded_url, state=["page", "pgae"])
    assert "`pgae`" in some.warning[0].value
    assert len(rows(some)) == 1
    for name in ("range", "slo"):
        app = page(seeded_url, "stream", stream="docs-search", **{name: "nothing"})
        assert "traffic: " in text(app)
        assert app.session_state["range"] == "15 min"


def test_what_is_known_is_not_remarked_on_nor_what_was_said_when_something_is_chosen(page, seeded_url):  # noqa: F811
    assert not page(seeded_url, state="page", team="search").warning
    app = page(seeded_url, "stream", stream="docs-search", range="2 weeks")
    assert app.warning
    app.toggle(key="live").set_value(False).run()
    assert not app.warning
