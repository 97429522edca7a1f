"""The dashboard in a real browser: it shows what it should, asks no other host for anything, and logs no error."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
from peers import until
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from test_dashboard import config_file, seeded_url  # noqa: F401
from test_dashboard_incident import episode, link, reader  # noqa: F401

from drift.alert import AlertKind
from drift.store import reads
from drift.store.connect import connect_reader

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
]
# How many pixels of a canvas are not empty, of those that a small copy of it has.
DRAWN = """(canvas) => new Promise((done) => requestAnimationFrame(() => {
  canvas.getRootNode().querySelector(".points").chart.repaint();
  const copy = Object.assign(document.createElement("canvas"), { width: 300, height: 200 }).getContext("2d");
  copy.drawImage(canvas, 0, 0, 300, 200);
  done(copy.getImageData(0, 0, 300, 200).data.filter((value, i) => i % 4 === 3 && value > 0).length);
}))"""
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def address(seeded_url: str, config_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "drift", "dashboard", str(config_file)]
    log = tmp_path_factory.mktemp("streamlit") / "log"
    environment = {**os.environ, "DRIFT_DASHBOARD_DATABASE_URL": seeded_url, "DRIFT_DASHBOARD_PORT": str(port)}
    with log.open("wb") as out, subprocess.Popen(command, env=environment, stdout=out, stderr=out) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
    assert "Traceback" not in log.read_text()


def _wait(address: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urlopen(address, timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"streamlit did not start: {log.read_text()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[("light", 1280), ("dark", 390)], ids=lambda p: f"{p[0]}-{p[1]}")
def tab(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A tab that must not ask any other host for anything, nor log an error."""
    scheme, width = request.param
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda asking: asked.append(asking.url))
    page.on("websocket", lambda opened: asked.append(opened.url.replace("ws:", "http:", 1)))
    page.on("console", lambda message: said.append(message.text) if _is_trouble(message) else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not said


def _is_trouble(message: ConsoleMessage) -> bool:
    # Streamlit looks for its own service below the page's path first, and takes 404 for an answer.
    # WebGL without a graphics card says that it is slow.
    is_slow = "GL Driver Message" in message.text and "GPU stall" in message.text
    return message.type in {"error", "warning"} and "/_stcore/" not in message.location["url"] and not is_slow


def test_each_page_shows_what_it_is_for(tab, address):
    width = tab.viewport_size["width"]
    tab.goto(address)
    expect(tab.locator(".drift .verdict")).to_have_text("▲ 1 page is firing", timeout=20_000)
    tab.wait_for_function("[...document.querySelectorAll('img.spark')].some(image => image.naturalWidth > 0)")
    expect(tab.locator("tr.page")).to_have_count(1)
    tab.locator("tr.page a").click()
    expect(tab.locator(".callout.page .summary")).to_contain_text("no longer looks like the reference", timeout=20_000)
    expect(tab.locator("svg.chart")).to_have_count(10, timeout=20_000)
    first = tab.locator("svg.chart").first
    first.focus()
    first.press("ArrowLeft")
    expect(tab.locator(".charts output").first).to_contain_text("bad: p-value 0.001")
    assert "stream=docs-search" in tab.url
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.goto(f"{address}/incidents?episode=open")
    expect(tab.locator("tbody tr").first).to_contain_text("docs-search", timeout=20_000)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_an_alerts_link_leads_to_the_cause(tab, address, seeded_url):  # noqa: F811
    engine = connect_reader(seeded_url)
    with engine.connect() as conn:
        row = next(row for row in reads.alerts(conn, stream="docs-search") if row.alert.kind is AlertKind.PAGE)
    engine.dispose()
    tab.goto(f"{address}/incident?{urlsplit(row.annotations['dashboard_url']).query}")
    expect(tab.locator(".callout.page .summary")).to_contain_text("no longer looks like the reference", timeout=20_000)
    expect(tab.locator("ol.steps li").first).to_contain_text("First bad window")
    expect(tab.locator("table[aria-label=Causes] tbody tr").first).to_contain_text("truncation")
    # One click each; and none closes when the page renews itself.
    before = tab.locator("p.when").inner_text()
    for name, says in (("Runbook", "When to escalate"), ("Rows that stand out most", "query-17")):
        tab.locator("summary", has_text=name).click()
        expect(tab.locator("details[open]", has_text=says).filter(has_text=name)).to_be_visible()
    expect(tab.locator("p.when")).not_to_have_text(before, timeout=20_000)
    expect(tab.locator("details[open] table[aria-label='Rows that stand out most']")).to_be_visible()
    expect(tab.locator(".runbook h2", has_text="When to escalate")).to_be_visible()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Export for the post-mortem").click()
    assert Path(download.value.path()).read_text().startswith("# docs-search (traffic)")
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


def test_a_click_on_a_cell_compares_its_two_times(tab, address):
    tab.goto(f"{address}/times?stream=support-tickets&last=30+d")
    drawn = tab.locator("svg.matrix")
    expect(drawn).to_be_visible(timeout=20_000)
    box = drawn.bounding_box()
    # Left and high: an early time against a late one.
    tab.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + 0.4 * box["height"])
    expect(tab.locator(".drift h3", has_text="These two")).to_be_visible(timeout=20_000)
    assert "a=" in tab.url
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


def test_the_projection_is_drawn_by_webgl_and_tells_of_the_row_at_the_pointer_or_the_cross(tab, address):
    tab.goto(f"{address}/projection?stream=support-tickets&last=7+d")
    expect(tab.locator(".points .names span", has_text=re.compile("^billing$"))).to_be_visible(timeout=20_000)
    assert tab.locator(".points .canvas").evaluate(DRAWN) > 100
    tab.locator(".points .surface").focus()
    tab.keyboard.press("+")
    expect(tab.locator(".points .cross")).to_be_visible()
    tip = tab.locator(".points .tip")
    for _ in range(20):  # from far enough some row is near the cross
        if tip.is_visible():
            break
        tab.keyboard.press("-")
    expect(tip).to_contain_text("novelty")
    tab.get_by_role("button", name="window (").click()
    expect(tab.get_by_role("button", name="window (")).to_have_attribute("aria-pressed", "false")
    before = tab.locator(".points .names span").first.bounding_box()
    box = tab.locator(".points .surface").bounding_box()
    tab.mouse.move(box["x"] + 100, box["y"] + 100)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 140, box["y"] + 130, steps=3)
    tab.mouse.up()
    tab.wait_for_timeout(300)
    after = tab.locator(".points .names span").first.bounding_box()
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((40, 30), abs=1)
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]


def test_the_gate_page_puts_the_cause_first_and_fits(tab, address):
    tab.goto(f"{address}/gate")
    expect(tab.locator(".callout.page ol li").first).to_contain_text("cls-pooling", timeout=20_000)
    expect(tab.locator(".range i").first).to_be_visible()
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
    tab.locator("table[aria-label='Decisions of the gate'] a").last.click()
    expect(tab.locator(".callout.ok")).to_contain_text("Every check passed", timeout=20_000)


def test_the_executive_page_prints_black_on_white_without_the_menu(tab, address):
    tab.goto(f"{address}/executive")
    expect(tab.locator(".drift .verdict")).to_contain_text("objectives met so far", timeout=20_000)
    expect(tab.get_by_text("The browser prints this page")).to_be_attached(timeout=20_000)
    assert tab.evaluate("document.documentElement.scrollWidth") <= tab.viewport_size["width"]
    tab.emulate_media(media="print")
    expect(tab.get_by_test_id("stHeader")).to_be_hidden()
    expect(tab.locator(".drift .verdict")).to_have_css("color", "rgb(0, 0, 0)")
    assert tab.pdf(format="A6").count(b"/Type /Page\n") > 1  # all of it, and not what fits on the screen


def test_a_command_is_copied_by_keyboard(tab, address, reader):  # noqa: F811
    tab.goto(f"{address}/incident?{urlencode(link(episode(reader, 'docs-search')))}")
    first = tab.locator(".command button").first
    expect(first).to_be_visible(timeout=20_000)
    for _ in range(30):
        tab.keyboard.press("Tab")
        if first.evaluate("button => button === document.activeElement"):
            break
    tab.evaluate("navigator.clipboard.writeText = (text) => { window.copied = text; return Promise.resolve(); }")
    tab.keyboard.press("Enter")
    expect(first).to_have_text("Copied")
    assert tab.evaluate("window.copied") == tab.locator(".command code").first.inner_text()


@pytest.mark.parametrize("view", ["times", "projection"])
def test_the_address_has_the_stream_though_it_was_chosen_by_nobody(tab, address, view):
    tab.goto(f"{address}/{view}")
    expect(tab).to_have_url(re.compile("stream=support-tickets"), timeout=20_000)


@pytest.mark.parametrize("view", ["", "stream?stream=docs-search", "incidents", "projection?stream=support-tickets"])
def test_each_choice_can_be_seen_and_reached_however_narrow_the_screen(tab, address, view):
    tab.goto(f"{address}/{view}")
    choices = tab.locator("[data-testid=stButtonGroup] button")
    expect(choices.first).to_be_visible(timeout=20_000)

    def fit() -> bool:
        boxes = [choice.bounding_box() for choice in choices.all()]
        return all(box["x"] >= 0 and box["x"] + box["width"] <= tab.viewport_size["width"] for box in boxes)

    assert until(fit)


def test_a_row_that_is_ok_hides_nothing_on_a_narrow_screen(tab, address):
    tab.goto(f"{address}/?find=products&state=ok")
    row = tab.locator("tr.ok").first
    expect(row).to_be_visible(timeout=20_000)
    for cell in row.locator("td, td small").all():
        expect(cell).to_be_visible()


def test_a_closer_look_is_one_key_away_from_the_top(tab, address):
    tab.goto(f"{address}/stream?stream=docs-search")
    link = tab.get_by_role("link", name="a closer look")
    expect(tab.locator("svg.chart")).to_have_count(10, timeout=20_000)
    expect(tab.locator("#a-closer-look")).not_to_be_in_viewport()

    def jumped() -> bool:  # what is drawn above it after the jump pushes it away again
        link.focus()
        tab.keyboard.press("Enter")
        top = tab.locator("#a-closer-look").bounding_box()["y"]
        return 0 <= top < tab.viewport_size["height"]

    assert until(jumped)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.innerText") == "dimensions"


def test_a_cell_is_chosen_by_keyboard_and_the_address_keeps_it(tab, address):
    tab.goto(f"{address}/times?stream=support-tickets&last=30+d")
    picture = tab.locator("svg.matrix")
    expect(picture).to_be_visible(timeout=20_000)
    picture.focus()
    for key in ("ArrowUp", "ArrowLeft", "Enter"):
        tab.keyboard.press(key)
    expect(tab.get_by_text("These two")).to_be_visible(timeout=20_000)
    expect(tab).to_have_url(re.compile(r"[?&]a=.+&b="))
