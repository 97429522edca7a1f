"""Whom an incident affects: tenants by their alerts and by their part of the change, segments and clusters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fakes import MOVED

from dashboard import affected, postmortem
from dashboard.incident import Incident, steps
from drift.alert import Alert, AlertKind, AlertState
from drift.records import Measurement, Part, Span
from drift.store.incidents import Verdicts
from drift.store.reads import AlertRow

AT = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alert(stream: str, **labels: str) -> AlertRow:
    fires = Alert(stream, "traffic", AlertKind.PAGE, AlertState.FIRING, AT, AT)
    return AlertRow(fires, labels=labels, annotations={}, muted=False)


def segment(name: str, share: float) -> Part:
    return Part(name, None, 0.5, share * MOVED.total, None, None)


def incident(*others: AlertRow, segments: tuple[Part, ...] = (), p_value: float = 0.001, **labels: str) -> Incident:
    kept = replace(MOVED, segments=segments, p_value=p_value)
    moved = Measurement("search", Span(AT, AT + HOUR), "joint", "f" * 64, 0.4, 80, attribution=kept)
    return Incident(
        at=AT + HOUR,
        row=alert("search", **labels),
        bad_since=AT,
        verdicts=Verdicts(1, 1, None),
        held=(),
        diagnoses=(),
        moved=moved,
        inputs={},
        others=others,
        messages=(),
        series=None,
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (incident(), []),
        (incident(tenant="acme"), ["acme"]),
        (incident(alert("search/tenant=globex", tenant="globex"), tenant="acme"), ["acme", "globex"]),
        (incident(segments=(segment("lang=de, tenant=acme", 0.6), segment("tenant=globex, lang=en", 0.4))),
         ["acme", "globex"]),
        # Below a twentieth of the change it may be chance; and a row may have no tenant.
        (incident(segments=(segment("tenant=acme", 0.96), segment("tenant=globex", 0.04), segment("tenant=-", 0.3))),
         ["acme"]),
        (incident(segments=(segment("tenant=acme", 1.0),), p_value=0.2), []),
    ],
)  # fmt: skip
def test_tenants_are_those_with_an_alert_of_the_fault_or_a_part_of_the_change(found, says):
    assert affected.tenants(found) == says


def test_segments_and_clusters_are_named_with_their_part_of_the_change():
    found = incident(segments=MOVED.segments, tenant="a<b")
    said = dict(affected.facts(found))
    assert said["Segments"] == "lang=<de> (85\u202f% of the change), lang=en (15\u202f% of the change)"
    # What makes up less than nothing of the change is no part of it.
    assert said["Clusters"] == "3 (65\u202f% of the change), 0 (40\u202f% of the change)"
    shown = affected.section(found)
    assert "a&lt;b" in shown
    assert "lang=&lt;de&gt; (85" in shown
    assert "No other alert" in shown
    document = postmortem.document(found, steps(found))
    assert "- Tenants: a\\<b" in document
    assert "- Segments: lang=\\<de\\> (85 % of the change)" in document


def test_of_a_change_that_may_be_chance_no_segment_and_no_cluster_is_named():
    assert dict(affected.facts(incident(segments=MOVED.segments, p_value=0.2))) == {"Tenants": ""}
