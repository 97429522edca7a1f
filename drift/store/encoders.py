"""What encoding takes, process by process, for the dashboard, which cannot see into one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from drift.store import tables

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EncoderRow:
    """The encoder `name` in one process: `inputs` encoded in `seconds` since that began, as it was `at`.

    `cost` is that of these seconds at `price_per_hour`, 0 where no price was given; `gpu_memory` is bytes, 0 on a CPU.
    """

    process: str
    name: str
    at: datetime
    load_seconds: float
    inputs: int
    seconds: float
    cost: float
    gpu_memory: int

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
