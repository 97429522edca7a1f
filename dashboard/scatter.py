"""Rows in a picture as bytes for the graphics card: where, of what colour, and what is told of each. Pure."""

import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32, Int

from dashboard import words
from dashboard.colouring import By, Colouring, coloured
from dashboard.projection import Points, Projection

FEW: Final = 5_000  # points are smaller where there are more, so that where they lie thick is still seen
MANY: Final = 20_000
FAINT: Final = 115  # of 255
CLEAR: Final = 190
MOST_WORDS: Final = 65_535

Numbers: TypeAlias = Float32[np.ndarray, "n"]


def packed(found: Projection, by: By, now: datetime) -> bytes:
    """Everything that is drawn and told, as `dashboard/plot/chart.js` reads it: reference first, windows upon it."""
    seen = coloured(found, by, now)
    segments, segment = _numbered((*found.reference.groups, *found.window.groups))
    # Two bytes say which window: of more of them the last, which are the oldest, have no time.
    starts = ["", *(f"{start:%-d %b %H:%M:%S} UTC" for start in found.window.starts[:MOST_WORDS])]
    start = np.where(found.window.start < MOST_WORDS, found.window.start + 1, 0)
    m, n = len(found.reference.places), len(found.window.places)
    arrays: list[tuple[str, str, npt.NDArray[np.generic]]] = [
        ("at", "f32", np.concatenate([found.reference.places, found.window.places]).astype("<f4")),
        ("colour", "u8", _inked(seen, m, n)),
        ("group", "u8", seen.group.astype(np.uint8)),
        ("segment", "u16", segment.astype("<u2")),
        ("start", "u16", np.concatenate([np.zeros(m), start]).astype("<u2")),
        ("novelty", "f32", _both(found, lambda points: points.seen.novelty)),
        ("witness", "f32", _both(found, lambda points: points.seen.witness)),
    ]
    header = {
        "arrays": [(name, kind, array.size) for name, kind, array in arrays],
        "frame": f"{found.method} {found.version}",
        "label": f"{words.several(n, 'row')} of windows upon {words.several(m, 'row')} of the reference",
        "axes": axes(found),
        "sizes": (3, 5 if n <= FEW else 3),
        "legend": [asdict(group) for group in seen.groups],
        "scale": asdict(seen.ramp) if seen.ramp else None,
        "names": [
            {"name": each.name, "x": each.x, "y": each.y, "style": "new" if each.is_new else "known"}
            for each in sorted(found.clusters, key=lambda cluster: not cluster.is_new)  # the first has its place
        ],
        "ids": [name or "" for name in (*found.reference.names, *found.window.names)],
        "facts": [
            {"title": "segment", "array": "segment", "words": segments},
            {"title": "window of", "array": "start", "words": starts},
            {"title": "novelty", "array": "novelty"},
            {"title": "witness", "array": "witness"},
        ],
    }
    return _joined(json.dumps(header).encode(), [array for *_, array in arrays])


def axes(found: Projection) -> tuple[str, str]:
    """What is written beside the two axes; those of a picture that was fitted mean nothing."""
    if found.shares is None:
        return f"{found.method}: near is alike; directions and long distances mean nothing", ""
    first, second = (words.share(share) for share in found.shares)
    return f"first direction of the reference ({first} of its variance)", f"second ({second})"


def _inked(seen: Colouring, m: int, n: int) -> npt.NDArray[np.uint8]:
    """Colours with how thick they are: those of the reference are faint, and so are many."""
    alpha = np.repeat(np.array([FAINT, CLEAR if n <= MANY else FAINT], np.uint8), [m, n])
    return np.concatenate([seen.colours, alpha[:, None]], 1)


def _both(found: Projection, of: Callable[[Points], Numbers]) -> Numbers:
    return np.concatenate([of(found.reference), of(found.window)]).astype("<f4")


def _numbered(names: Sequence[str | None]) -> tuple[list[str], Int[np.ndarray, "n"]]:
    """Each name once, nothing first, and the place of each among them; of too many the last stand for nothing."""
    place: dict[str, int] = {"": 0}
    for name in names:
        if len(place) <= MOST_WORDS:
            place.setdefault(name or "", len(place))
    return list(place), np.array([place.get(name or "", 0) for name in names], np.int64)


def _joined(header: bytes, arrays: Sequence[npt.NDArray[np.generic]]) -> bytes:
    """Each begins where four bytes may be read at once."""
    head = header + b" " * (-len(header) % 4)
    blocks = [struct.pack("<I", len(head)), head]
    for array in arrays:
        block = array.tobytes()
        blocks += [block, b"\0" * (-len(block) % 4)]
    return b"".join(blocks)
