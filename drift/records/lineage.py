"""Where a reference comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a reference was made from and by whom (user and host), and how many rows were left out as copies.

    `encoder` is what the reference's fingerprint names, part by part (`{"pooling": "mean"}`); empty where the vectors
    came from production, or where it was not kept.
    """

    source: str = ""
    by: str = ""
    copies: int = 0
    encoder: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One part of an encoder's fingerprint that differs; "" where it was not kept."""

    part: str
    was: str
    now: str

    def __str__(self) -> str:
        was, now = (_short(value) for value in (self.was, self.now))
        return f"{self.part} {was} -> {now}"


def changes(was: Mapping[str, str], now: Mapping[str, str]) -> tuple[Change, ...]:
    """The parts in which two encoders differ, as `Lineage.encoder` has them, by name."""
    pairs = ((part, was.get(part, ""), now.get(part, "")) for part in sorted({*was, *now}))
    return tuple(Change(*pair) for pair in pairs if pair[1] != pair[2])


def _short(value: str) -> str:
    """A checksum by its first twelve digits."""
    return (value[:12] if len(value) == 64 else value) or "(none)"
