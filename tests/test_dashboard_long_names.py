"""A name without a space, as long as a tenant likes, takes nothing else off the screen nor off paper."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from conftest import Server
from playwright.sync_api import Page, expect
from test_dashboard import seeded_url as short_names  # noqa: F401
from test_dashboard_browser import address, browser, config_file, pytestmark, tab  # noqa: F401
from test_dashboard_incident import episode, link, reader  # noqa: F401

from drift.store import tables
from drift.store.connect import connect

NAMES = {"docs-search": f"docs-search/tenant={'a' * 110}", "products/lang=de": f"products/lang={'Z' * 110}"}
A4 = {"width": 794, "height": 1123}
WIDE = "Math.max(...[document.documentElement, document.querySelector('[data-testid=stMain]')].map(e => e.scrollWidth))"


@pytest.fixture(scope="module")
def seeded_url(server: Server, short_names: str) -> Iterator[str]:  # noqa: F811
    """The database of the other tests, in which two streams have got long names."""
    name = f"{server.seeded}_long"
    server.run(f"CREATE DATABASE {name} TEMPLATE {server.seeded}")
    engine = connect(server.url(name))
    with engine.begin() as conn:
        for old, new in NAMES.items():
            for table in tables.metadata.sorted_tables:
                if "stream" in table.c:
                    conn.execute(sa.update(table).where(table.c.stream == old).values(stream=new))
            named = {"key": new, "segment": new.partition("/")[2]}
            conn.execute(sa.update(tables.stream).where(tables.stream.c.key == old).values(named))
    engine.dispose()
    yield server.url(name)
    server.run(f"DROP DATABASE {name} WITH (FORCE)")


def fits(tab: Page) -> bool:  # noqa: F811
    """Whether the page is no wider than the screen."""
    return tab.evaluate(WIDE) <= tab.viewport_size["width"]


@pytest.mark.parametrize("view", ["", "incidents", "operations", "executive", "stream", "chosen", "incident"])
def test_a_long_name_takes_nothing_off_the_screen(tab, address, reader, view):  # noqa: F811
    long = NAMES["docs-search"]
    path = f"stream?{urlencode({'stream': long})}" if view == "chosen" else view
    if view == "incident":
        path = f"incident?{urlencode(link(episode(reader, long)) | {'stream': long})}"
    tab.goto(f"{address}/{path}")
    expect(tab.get_by_text(re.compile("a{110}|Z{110}")).first).to_be_attached(timeout=20_000)
    assert fits(tab)


def test_all_of_the_executive_page_is_on_the_paper(tab, address):  # noqa: F811
    tab.set_viewport_size(A4)
    tab.goto(f"{address}/executive")
    expect(tab.get_by_text("The browser prints this page")).to_be_attached(timeout=20_000)
    tab.emulate_media(media="print")
    assert fits(tab)
