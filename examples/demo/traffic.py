"""Push documents to the service as a production encoder would: embedded as they come, and now and then wrongly.

`python -m examples.demo.traffic FOLDER URL FAULT`, where FAULT is `none`, a fault by name, or `script` for all in turn.
"""

import sys
import time
import uuid
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

import httpx2
import numpy as np
import pyarrow as pa
from rich.console import Console

from drift.encoder.load import EncoderSpec

from .faults import Fault, Serving, mix
from .source import Draw, corpus

PER_SECOND: Final = 32
HEALTHY_FIRST: Final = 10  # seconds
FAULTY: Final = 90
HEALTHY_BETWEEN: Final = 90


def script(chosen: str) -> Iterator[tuple[Fault, float]]:
    """What the traffic is like, and for how many seconds, for ever."""
    faults = [fault for fault in Fault if fault is not Fault.NONE] if chosen == "script" else [Fault(chosen)]
    yield Fault.NONE, HEALTHY_FIRST
    for fault in cycle(faults):
        yield fault, FAULTY
        yield Fault.NONE, HEALTHY_BETWEEN


def main(folder: Path, url: str, chosen: str) -> None:
    """Push until stopped. A batch that is not acknowledged is sent again, with the same key."""
    console = Console(highlight=False)
    found = corpus(folder)
    serving = Serving(EncoderSpec(threads=1), [d.text for d in found.reference], folder)
    draw = Draw(found.traffic, np.random.default_rng())
    with httpx2.Client(timeout=10, trust_env=False) as client:
        push(client, url, batch(draw, serving, Fault.NONE))  # returns once the service is up
        for fault, seconds in script(chosen):
            what = "healthy" if fault is Fault.NONE else f"[red]{fault.value}[/red]"
            console.print(f"[cyan]traffic[/cyan]  {PER_SECOND} documents a second, {what}, for {seconds:g} s")
            until = time.monotonic() + seconds
            while (turn := time.monotonic()) < until:
                push(client, url, batch(draw, serving, fault))
                time.sleep(max(0.0, turn + 1 - time.monotonic()))


def batch(draw: Draw, serving: Serving, fault: Fault) -> bytes:
    """A second's worth of documents and their served vectors, as an Arrow stream."""
    drawn = draw.take(PER_SECOND, mix(fault))
    vectors = serving.serve([d.text for d in drawn], fault)
    table = pa.table(
        {
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1]),
            **draw.columns(drawn),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def push(client: httpx2.Client, url: str, body: bytes) -> None:
    """Send one batch until it is acknowledged."""
    key = uuid.uuid4().hex
    headers = {"content-type": "application/vnd.apache.arrow.stream", "idempotency-key": key}
    while True:
        try:
            answer = client.post(f"{url}/v1/streams/docs-search/embeddings", content=body, headers=headers)
            if answer.status_code < 500:
                answer.raise_for_status()
                return
        except httpx2.TransportError:
            pass  # the service is starting, or restarting: the batch is not acknowledged, and is sent again
        time.sleep(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
