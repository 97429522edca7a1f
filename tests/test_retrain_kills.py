"""Workers that are killed two hundred times, at any moment, ask for each incident's retraining once."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fakes import START
from peers import Receiver, Reply

from drift.notify.signature import generate_secret, verify
from drift.store import tables

KILLS, SEED = 200, 7
NOW = START + timedelta(days=1)

# It imports once and forks each worker, so that two hundred of them take seconds. A worker dies at the n-th call of a
# function, which is any point of the work on a machine of any speed; every other one while it delivers.
NURSERY = """
import os, random, signal, sys
sys.path.insert(0, {tests!r})
from dataclasses import replace
from ipaddress import ip_network
import httpx2
import sqlalchemy as sa
from fakes import LENGTH, REFERENCE, START, STREAM, FakeCollector, healthy, make_monitor, register, spans, variance_slo
from test_retrain_kills import NOW
from drift.notify.signature import Secret
from drift.notify.webhook import Webhook
from drift.pipeline import deliver, measure
from drift.store import tables
from drift.store.connect import connect

BAD = FakeCollector({{START + i * LENGTH: healthy(80, i) * 5 for i in range(9)}})

def monitor(engine, i):
    name = f"s{{i}}"
    stream = replace(STREAM, name=name, model=f"m{{i}}")
    held = {{name: replace(REFERENCE, stream=name)}}
    slos = {{name: (variance_slo(name),)}}
    return make_monitor(engine, stream=stream, parts=(stream,), collector=BAD, references=held, slos=slos)

class Death:
    def __init__(self, after):
        self.left = after

    def __call__(self, *_):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

NETWORKS = (ip_network("127.0.0.0/8"),)
engine = connect({url!r})
hook = Webhook("retrain", {receiver!r}, (Secret({secret!r}),), httpx2.Client(trust_env=False), NETWORKS)

def settle(incidents):
    with engine.connect() as conn:
        done = set(conn.execute(sa.select(tables.retrain.c.stream)).scalars())
    missing = [i for i in range(incidents) if f"s{{i}}" not in done]
    if missing:
        with engine.begin() as conn:
            measure.measure_spans(conn, monitor(engine, missing[0]), spans(9)[8:])
    return bool(missing)

def begin(i):
    # All but the window on which it pages: the decision is what is to be killed.
    with engine.begin() as conn:
        measure.measure_spans(conn, monitor(engine, i), spans(8))

def send():
    with engine.begin() as conn:
        return deliver.deliver_one(conn, "retrain", hook, resend=LENGTH, now=NOW)

def work(incidents, settling=None, delivering=None):
    while True:
        sys.setprofile(settling)
        more = settle(incidents)
        sys.setprofile(delivering or settling)
        if not (send() or more):
            return

def calls(of):
    death = Death(-1)
    sys.setprofile(death)
    of()
    sys.setprofile(None)
    return -1 - death.left

incidents = 2
begin(0)
begin(1)
work(1)  # what is imported and compiled late is so from here on
counted = calls(lambda: settle(2)), calls(send)
rng, died = random.Random({seed}), 0
while died < {kills}:
    engine.dispose()
    deaths = (None, Death(rng.randint(1, counted[1]))) if died % 2 else (Death(rng.randint(1, counted[0])), None)
    child = os.fork()
    if not child:
        try:
            work(incidents, *deaths)
        finally:
            os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL:
        died += 1
    else:
        begin(incidents)  # all is done: on with the next one
        incidents += 1
work(incidents)
print(incidents)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_two_hundred_kills_double_no_retraining_and_lose_none(engine, postgres_url):
    secret = generate_secret()
    with Receiver(lambda _: Reply(202, body=b"accepted" * 100)) as receiver:
        code = NURSERY.format(
            tests=str(Path(__file__).parent),
            url=postgres_url,
            receiver=receiver.url,
            secret=secret.text,
            seed=SEED,
            kills=KILLS,
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True, timeout=420
        )
    incidents = int(done.stdout.splitlines()[-1])
    runs = Counter(verify(request.headers, request.body, [secret], now=NOW) for request in receiver.received)
    with engine.connect() as conn:
        t = tables.retrain
        intents = conn.execute(sa.select(t.c.id, t.c.stream, t.c.state)).all()
        states = set(conn.execute(sa.select(tables.outbox.c.state).where(tables.outbox.c.kind == "retrain")).scalars())
    assert sorted(row.stream for row in intents) == sorted(f"s{i}" for i in range(incidents))
    assert incidents > 5
    assert set(runs) == {row.id for row in intents}
    assert {row.state for row in intents} == {"requested"}
    assert states == {"sent"}
    assert sum(runs.values()) > incidents  # some died after the POST and before their commit: the receiver tells by id
