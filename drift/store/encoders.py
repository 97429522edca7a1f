"""What encoding takes, process by process, for the dashboard, which cannot see into one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.store import tables

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Encoding:
    """What encoding with `name` took over some time, in all processes: `gpu_seconds` are those of `seconds` on a GPU.

    `cost` is what these seconds cost, 0 where no price was given.
    """

    name: str
    inputs: int
    seconds: float
    gpu_seconds: float
    cost: float

    @property
    def per_million(self) -> float | None:
        """What a million inputs cost; None without any, or without a price."""
        return self.cost / self.inputs * MILLION if self.inputs and self.cost else None


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """The encoder `name` in one process: `inputs` encoded in `seconds` since that began, as it was `at`.

    `cost` is that of these seconds at `price_per_hour`, 0 where no price was given; `gpu_memory` is bytes, 0 on a CPU.
    `gpu_utilisation` is that of NVML's last sample period when it last encoded, in [0, 1]; None where unknown.
    """

    process: str
    name: str
    at: datetime
    load_seconds: float
    inputs: int
    seconds: float
    cost: float
    gpu_memory: int
    gpu_utilisation: float | None

    def since(self, before: "EncoderRow | None") -> Encoding:
        """What was done since it was as `before`; since the process began, where that is None."""
        inputs, seconds, cost = self.inputs, self.seconds, self.cost
        if before is not None:
            inputs, seconds, cost = inputs - before.inputs, seconds - before.seconds, cost - before.cost
        return Encoding(self.name, inputs, seconds, seconds if self.gpu_memory else 0.0, cost)

    @property
    def per_second(self) -> float | None:
        """Inputs in a second of encoding; None before the first."""
        return self.inputs / self.seconds if self.seconds else None

    @property
    def per_million(self) -> float | None:
        """What a million inputs cost at this pace; None before the first, or without a price."""
        return self.cost / self.inputs * MILLION if self.inputs and self.cost else None


def keep(conn: sa.Connection, rows: Sequence[EncoderRow]) -> None:
    """Keep what is true now in place of what was."""
    for row in rows:
        new = insert(tables.encoder).values(asdict(row))
        changed = {name: new.excluded[name] for name in asdict(row) if name not in {"process", "name"}}
        conn.execute(new.on_conflict_do_update(index_elements=["process", "name"], set_=changed))


def recent(conn: sa.Connection, *, since: datetime) -> list[EncoderRow]:
    """The encoders of processes that have said something at or after `since`."""
    t = tables.encoder
    rows = conn.execute(sa.select(t).where(t.c.at >= since).order_by(t.c.name, t.c.process))
    return [EncoderRow(r.process, r.name, r.at.astimezone(UTC), *r[3:]) for r in rows]


def add(conn: sa.Connection, day: date, done: Sequence[Encoding]) -> None:
    """Add what was done on `day` to what was done on it before."""
    t = tables.encoding
    for one in done:
        if not one.inputs:
            continue
        new = insert(t).values(day=day, **asdict(one))
        sums = {name: t.c[name] + new.excluded[name] for name in ("inputs", "seconds", "gpu_seconds", "cost")}
        conn.execute(new.on_conflict_do_update(index_elements=["day", "name"], set_=sums))


def by_quarter(conn: sa.Connection, *, since: date) -> dict[date, list[Encoding]]:
    """What was done from `since` on, by the first day of its quarter, by name."""
    t = tables.encoding
    quarter = sa.cast(sa.func.date_trunc("quarter", sa.cast(t.c.day, sa.DateTime)), sa.Date)
    sums = [sa.func.sum(t.c[name]) for name in ("inputs", "seconds", "gpu_seconds", "cost")]
    query = sa.select(quarter, t.c.name, *sums).where(t.c.day >= since).group_by(quarter, t.c.name).order_by(t.c.name)
    found: dict[date, list[Encoding]] = {}
    for row in conn.execute(query):
        found.setdefault(row[0], []).append(Encoding(row[1], int(row[2]), *row[3:]))
    return found
