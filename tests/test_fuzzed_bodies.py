"""Thousands of damaged bodies, read in this very process: a crash would end the test run."""

from collections.abc import Iterator

import numpy as np
import orjson
import pyarrow as pa
import pytest
from senders import ALLOWED, ARROW, SEGMENTS, START, STREAM, VECTORS, assert_whole, good, ipc, npy

from collectors.bodies import parse_body
from collectors.rows import screen
from drift.errors import PayloadError

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)


def mutations(body: bytes, rounds: int, rng: np.random.Generator) -> Iterator[bytes]:
    """`body` with a few bytes or words replaced, a stretch moved, or its end cut."""
    for _ in range(rounds):
        mutant = bytearray(body)
        for _ in range(rng.integers(1, 6)):
            at = int(rng.integers(len(mutant)))
            match rng.integers(8):
                case 0 | 1 | 2:
                    mutant[at] = rng.integers(256)
                case 3 | 4:
                    mutant[at] ^= 1 << int(rng.integers(8))
                case 5 | 6:
                    width = int(rng.choice([2, 4, 8]))
                    at -= at % width
                    word = EXTREMES[rng.integers(len(EXTREMES))] & (1 << 8 * width) - 1
                    mutant[at : at + width] = word.to_bytes(width, "little")
                case _:
                    other = int(rng.integers(len(mutant)))
                    mutant[at : at + 16] = mutant[other : other + 16]
        yield bytes(mutant[: rng.integers(len(mutant))] if rng.random() < 0.05 else mutant)


def bodies() -> list[tuple[str, bytes]]:
    rows = 6
    texts = {"id": [None, *"abcde"], "input": ["a longer text than a view can hold"] * rows, "label": list("aabbcc")}
    tables = [
        {"vector": pa.array([None, *good(5)], VECTORS), "time": pa.array([START] * rows)} | texts,
        {"vector": pa.array([*good(5), [1.0]], pa.list_(pa.float64()))}
        | {"id": pa.array(texts["id"]).dictionary_encode()},
        {"vector": pa.array(good(6), pa.large_list(pa.float16())), "input": pa.array(texts["input"], pa.string_view())},
        {
            "vector": pa.array(good(6), VECTORS),
            "time": [1.0] * rows,
            "tenant": pa.array(texts["id"], pa.large_string()),
        },
        {"vector": pa.array(good(6), VECTORS), "time": [START.isoformat()] * rows, "other": [{"a": [[1]]}] * rows},
    ]
    return [
        *((ARROW, ipc(pa.table(table))) for table in tables),
        ("application/x-npy", npy(np.array(good(rows), np.float32))),
        ("application/octet-stream", npy(np.asfortranarray(np.array(good(rows), np.float64)))),
        ("application/json", orjson.dumps([{"vector": v, "id": i, "time": 1.5} for i, v in enumerate(good(rows))])),
        ("application/x-ndjson", b"\n".join(orjson.dumps({"vector": v, "time": "2026-03-01"}) for v in good(rows))),
    ]


@pytest.mark.parametrize(("content_type", "body"), bodies())
def test_mutated_bodies_are_read_or_refused(content_type, body):
    rng = np.random.default_rng(len(body))
    read = 0
    for mutant in mutations(body, 200 if "json" in content_type else 600, rng):
        try:
            batch = parse_body(content_type, mutant, STREAM, SEGMENTS)
        except PayloadError:
            continue
        read += 1
        assert_whole(batch)
        clean = screen(batch, STREAM, ALLOWED, arrival=START)
        assert_whole(clean)
        assert np.isfinite(clean.rows.vectors).all()
        assert clean.rows.vectors.any(axis=1).all()
    # A fuzzer whose every mutant is refused at the door tests the door only.
    assert read > 5


def test_the_pieces_of_two_streams_put_together_are_read_or_refused():
    rng = np.random.default_rng(0)
    streams = [body for kind, body in bodies() if kind == ARROW]
    for _ in range(500):
        one, other = rng.integers(len(streams), size=2)
        cut = int(rng.integers(len(streams[one])) // 8 * 8)
        try:
            assert_whole(parse_body(ARROW, streams[one][:cut] + streams[other][cut:], STREAM, SEGMENTS))
        except PayloadError:
            continue
