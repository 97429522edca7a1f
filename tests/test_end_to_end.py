"""The service as a process, with a real Postgres, Alertmanager and Prometheus around it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import httpx2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from fakes import healthy
from peers import Receiver, Reply, alertmanager, free_port, prometheus, until

from drift.notify.signature import generate_secret, verify
from drift.store import tables

CONFIG = """\
streams:
  - id: search
    model: my-encoder
    dim: 8
    team: search
    runbook_url: https://runbooks/search
    reference: {{path: golden.parquet}}
    detectors: [variance_ratio, valid_ratio]
    window: 1s
    lateness: 200ms
slos:
  - name: spread
    detector: variance_ratio
    value_at_least: 0.5
    value_at_most: 2
    rules: &rules
      - {{name: fast, severity: page, factor: 6, long: 20s, short: 4s, horizon: 30d}}
  - {{name: valid, detector: valid_ratio, value_at_least: 0.99, rules: *rules}}
receivers:
  resend: 1s
  alertmanagers: [{{url: "{alertmanager}"}}]
  webhooks: [{{name: retrain, url: "{retrain}/retrain", secret: "{secret}", allow_http: true}}]
"""
ALERTMANAGER = """\
route:
  receiver: pager
  group_by: [model_id, job_id]
  group_wait: 100ms
  group_interval: 1s
  repeat_interval: 1h
  routes: [{{receiver: tickets, matchers: ['severity=~"ticket|none"']}}]
receivers: [{{name: pager, webhook_configs: [{{url: "{pager}/page"}}]}}, {{name: tickets}}]
"""
PROMETHEUS = """\
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: drift, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}]
"""
SECRET = generate_secret()


@contextmanager
def service(folder: Path, url: str, port: int) -> Iterator[subprocess.Popen]:
    """`drift run` until the block ends, once it is ready. A process that was killed in the block stays dead."""
    environment = {**os.environ, "DRIFT_DATABASE_URL": url, "DRIFT_PORT": str(port), "DRIFT_HOME": str(folder)}
    command = [sys.executable, "-m", "drift", "run", "drift.yaml", "--no-dashboard"]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    def ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        assert until(ready, within=60), (folder / "log").read_text()
        yield process
    finally:
        process.terminate()
        process.wait(30)


class Sender:
    """Pushes batches of eighty rows until each is acknowledged, as a client should; counts what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1/streams/search/embeddings"
        self.acknowledged = 0
        self._batch = 0

    def push(self, scale: float, *, give_up: bool = False) -> None:
        self._batch += 1
        file = io.BytesIO()
        np.save(file, healthy(80, self._batch) * np.float32(scale))
        headers = {"content-type": "application/x-npy", "idempotency-key": uuid.uuid4().hex}
        while True:
            try:
                answer = httpx2.post(self.url, content=file.getvalue(), headers=headers, trust_env=False)
                answer.raise_for_status()
            except httpx2.HTTPError:
                if give_up:
                    return
                time.sleep(0.1)
            else:
                self.acknowledged += answer.json()["accepted"]
                return

    def until(self, true, scale: float, within: float = 60) -> bool:
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.push(scale)
            if true():
                return True
            time.sleep(0.3)
        return False


def write_config(folder: Path, am: str, retrain: str) -> None:
    (folder / "drift.yaml").write_text(CONFIG.format(alertmanager=am, retrain=retrain, secret=SECRET.text))
    x = healthy(512, 999)
    vector = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), 8)
    pq.write_table(pa.table({"vector": vector}), folder / "golden.parquet")


def pages(pager: Receiver) -> list[dict]:
    return [json.loads(request.body) for request in pager.received if request.path == "/page"]


def test_a_fault_pages_through_alertmanager_asks_for_retraining_and_resolves(tmp_path, postgres_url):
    port = free_port()
    for name in ("am", "prom"):
        (tmp_path / name).mkdir()
    with (
        Receiver() as pager,
        alertmanager(ALERTMANAGER.format(pager=pager.url), tmp_path / "am") as am,
        prometheus(PROMETHEUS.format(port=port), tmp_path / "prom") as prom,
    ):
        write_config(tmp_path, am, pager.url)
        with service(tmp_path, postgres_url, port):
            sender = Sender(port)
            assert not sender.until(lambda: bool(pages(pager)), 1, within=5)
            assert sender.until(lambda: bool(pages(pager)), 5)
            _assert_page(pages(pager)[0])
            assert sender.until(lambda: any(r.path == "/retrain" for r in pager.received), 5)
            retrain = next(r for r in pager.received if r.path == "/retrain")
            id_ = verify(retrain.headers, retrain.body, [SECRET], now=datetime.now(UTC))
            assert json.loads(retrain.body)["id"] == id_
            assert sender.until(lambda: _query(prom, 'drift_alerts_firing{severity="page"}') == 1, 5)
            assert sender.until(lambda: pages(pager)[-1]["status"] == "resolved", 1)
            assert sender.until(lambda: _query(prom, 'drift_alerts_firing{severity="page"}') == 0, 1)
            assert _query(prom, 'drift_evaluations_bad_total{slo="spread"}') >= 4
    # One notification for the incident and one for its end, however often the alert was repeated.
    assert [page["status"] for page in pages(pager)] == ["firing", "resolved"]
    assert len({r.headers["webhook-id"] for r in pager.received if r.path == "/retrain"}) == 1


def _assert_page(page: dict) -> None:
    (alert,) = page["alerts"]
    assert page["groupLabels"] == {"job_id": "search", "model_id": "my-encoder"}
    assert alert["labels"]["slo"] == "spread"
    said = alert["annotations"]
    assert said["threshold"] == "variance_ratio >= 0.5 and <= 2"
    assert 20 < float(said["value"]) < 30
    assert {"summary", "description", "next_step", "since", "exhausts_in", "budget_remaining_ratio"} <= said.keys()
    assert said["runbook_url"] == "https://runbooks/search"
    assert "stream=search" in said["dashboard_url"]


def _query(prom: str, expression: str) -> float | None:
    answer = httpx2.get(f"{prom}/api/v1/query", params={"query": expression}, trust_env=False).json()
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else None


def test_a_killed_service_loses_no_row_doubles_no_window_and_keeps_its_message_ids(tmp_path, postgres_url, engine):
    port = free_port()
    refusals = iter([500])
    with Receiver(lambda r: Reply(next(refusals, 200) if r.path == "/retrain" else 200)) as receiver:
        write_config(tmp_path, receiver.url, receiver.url)
        sender = Sender(port)
        for scale in (1, 5, 5, 1):
            with service(tmp_path, postgres_url, port) as process:
                for _ in range(12):
                    sender.push(scale)
                    time.sleep(0.25)
                process.send_signal(signal.SIGKILL)
                sender.push(scale, give_up=True)
        with service(tmp_path, postgres_url, port):
            assert until(lambda: _settled(engine), within=30)
        retrains = [r for r in receiver.received if r.path == "/retrain"]
    with engine.connect() as conn:
        received = conn.execute(sa.select(sa.func.sum(tables.window.c.received))).scalar_one()
        starts = list(conn.execute(sa.select(tables.window.c.start, tables.window.c.end).order_by("start")))
        asked = {row.id for row in conn.execute(sa.select(tables.outbox).where(tables.outbox.c.kind == "retrain"))}
        fired = conn.execute(sa.select(tables.alert).where(tables.alert.c.kind == "page")).all()
        intents = conn.execute(sa.select(tables.retrain)).all()
    assert received >= sender.acknowledged  # the last batch before a kill may be durable and not acknowledged
    assert received - sender.acknowledged <= 4 * 80
    assert all(end == start for (_, end), (start, _) in pairwise(starts))
    assert {r.headers["webhook-id"] for r in retrains} == asked
    assert asked == {row.id for row in intents if row.state == "requested"}
    assert len(asked) == 1
    assert len(intents) == len(fired)


def _settled(engine: sa.Engine) -> bool:
    with engine.connect() as conn:
        waiting = conn.execute(sa.select(sa.func.count()).select_from(tables.inbox)).scalar_one()
        due = conn.execute(sa.select(sa.func.count()).where(tables.outbox.c.state == "due")).scalar_one()
    return waiting == 0 and due == 0
