"""Every alert leads to a page that is there, and to a section that is there."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START, make_monitor
from fastapi import FastAPI
from fastapi.testclient import TestClient

from detectors import DETECTORS
from drift.alert import Alert, AlertKind, AlertState
from drift.api.runbooks import add_runbooks
from drift.config.slos import CONTEXT
from drift.notify.compose import ALERT_NAMES, Context, annotations, page
from drift.notify.own_alerts import OWN_ALERTS
from drift.records import ENVIRONMENT, merged_name
from drift.runbook import anchor, beside, runbooks
from drift.slo import Quantity, Sli, budget
from drift.slo.budgets import Ledger

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("*.md"))
SECTIONS = ("What it means", "Impact", "First checks", "What to do", "When to escalate")
JUDGED = sorted(set(DETECTORS) - set(CONTEXT))
LINK = re.compile(r"\]\(([^)]+)\)")


@pytest.fixture(scope="module")
def client():
    app = FastAPI()
    add_runbooks(app)
    with TestClient(app) as client:
        yield client


def context(**changes) -> Context:
    monitor = make_monitor(engine=None)
    slo = monitor.slos["search"][0]
    at = START
    left = budget(slo, Ledger().spent(slo, at), at)
    url = "http://d/runbook/{alert}"
    made = Context(monitor.stream, "", url, "http://dash", slo, left, at, None, "", "")
    return replace(made, **changes)


def test_there_is_a_page_for_each_alert_and_for_nothing_else():
    names = {path.stem for path in PAGES} - {"README"}
    assert names == {*ALERT_NAMES.values(), *OWN_ALERTS, "DriftAbsent"}


@pytest.mark.parametrize("path", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_each_page_says_all_that_somebody_on_call_needs(path):
    text = path.read_text()
    assert text.startswith(f"# {path.stem}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == list(SECTIONS)
    assert "```console" in text or "`" in text.split("## First checks")[1].split("## What to do")[0]


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda p: p.stem)
def test_each_link_to_a_file_leads_to_one_and_to_a_section_of_it(path):
    for link in LINK.findall(path.read_text()):
        if "://" in link:
            continue
        name, _, section = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), f"{path}: {link}"
        if section:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            assert section in {anchor(heading) for heading in headings}, f"{path}: {link}"


@pytest.mark.parametrize("detector", [*JUDGED, ENVIRONMENT, merged_name("mean_shift", 12)])
def test_a_burning_budget_leads_to_the_section_on_its_detector(client, detector):
    given = context()
    given = replace(given, slo=replace(given.slo, sli=Sli(detector, Quantity.VALUE, at_most=1.0)))
    alert = Alert("search", "spread", AlertKind.PAGE, AlertState.FIRING, given.since)
    name, _, section = page(alert, given).partition("#")
    answer = client.get(f"/runbook/{name}")
    assert answer.status_code == 200
    assert f'<h3 id="{section}">' in answer.text


@pytest.mark.parametrize("kind", AlertKind)
def test_the_link_in_an_alert_opens_its_page(client, kind):
    given = context()
    found = annotations(Alert("search", "spread", kind, AlertState.FIRING, given.since), given)["runbook_url"]
    answer = client.get(found.removeprefix("http://d").partition("#")[0])
    assert "<h1" in answer.text
    assert f">{ALERT_NAMES[kind]}</h1>" in answer.text


def test_a_streams_own_runbook_is_linked_to_as_it_is(client):
    given = context(runbook_url="https://wiki/search")
    alert = Alert("search", "spread", AlertKind.PAGE, AlertState.FIRING, given.since)
    assert annotations(alert, given)["runbook_url"] == "https://wiki/search"


def test_the_index_leads_to_every_page(client):
    text = client.get("/runbook").text
    links = re.findall(r'href="(runbook/[^"]+)"', text)
    assert {link.removeprefix("runbook/") for link in links} == set(runbooks()) - {"README"}
    assert all(client.get(f"/{link}").status_code == 200 for link in links)


@pytest.mark.parametrize("name", ["Nothing", "..%2Fstatistics", "README.md"])
def test_what_is_no_page_is_said_to_be_none(client, name):
    answer = client.get(f"/runbook/{name}")
    assert answer.status_code == 404


@pytest.mark.parametrize("detector", JUDGED)
def test_beside_an_incident_stands_what_is_said_of_its_own_detector_and_of_no_other(detector):
    text = beside("ErrorBudgetBurn", detector)
    titles = set(re.findall(r"<h3[^>]*>(.+)</h3>", text))
    assert detector in titles
    leans = set(re.findall("As for <code>(.+?)</code>", text))
    assert titles == {detector, *leans}
    assert all(f">{section}</h2>" in text for section in SECTIONS)


def test_beside_an_incident_whose_detector_has_no_section_stand_all_of_them():
    titles = set(re.findall(r"<h3[^>]*>(.+)</h3>", beside("ErrorBudgetBurn", "nothing")))
    assert {"joint", "skew", "valid_ratio"} <= titles


@pytest.mark.parametrize("name", sorted(set(runbooks()) - {"README"}))
def test_beside_an_incident_a_page_has_no_title_and_no_link_that_would_lead_to_another_host(name):
    text = beside(name, "")
    assert "<h2" in text
    assert "<h1" not in text
    assert "<a " not in text


def test_beside_an_alert_without_a_page_stands_nothing():
    assert beside("Nothing", "joint") == ""
