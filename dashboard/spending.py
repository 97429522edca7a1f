"""What encoding costs, by encoder and quarter, and what that buys; read, and in HTML. Pure but for `read`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from statistics import fmean
from typing import Final

from dashboard import markup, words
from dashboard.declared import Declared
from drift.store import attainment, encoders
from drift.store.connect import Connection
from drift.store.encoders import Encoding

LOOKED_AT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one encoder took, quarter by quarter, the newest first; None where it was not used.

    `teams` have streams with it; `share` of the reference's directions are in use in those of late, 1 being all, None
    where that was not measured.
    """

    name: str
    teams: tuple[str, ...]
    quarters: tuple[Encoding | None, ...]
    share: float | None


def read(
    conn: Connection, declared: Declared | None, starts: Sequence[datetime], teams: Mapping[str, str], at: datetime
) -> tuple[Spent, ...]:
    """What is known of the quarters that begin at `starts`, the newest first; `teams` are by the keys of streams."""
    found = encoders.by_quarter(conn, since=starts[-1].date())
    by_name = [{one.name: one for one in found.get(start.date(), ())} for start in starts]
    streams = declared.streams.values() if declared else ()
    using: dict[str, list[str]] = {}
    for stream in streams:
        if stream.encoder is not None:
            using.setdefault(stream.encoder.model, []).append(stream.id)
    shares = attainment.effective_shares(conn, [id_ for ids in using.values() for id_ in ids], since=at - LOOKED_AT)

    def spent(name: str) -> Spent:
        mine = using.get(name, [])
        known = [shares[id_] for id_ in mine if id_ in shares]
        owners = sorted({teams[id_] for id_ in mine if id_ in teams})
        return Spent(name, tuple(owners), tuple(q.get(name) for q in by_name), fmean(known) if known else None)

    return tuple(spent(name) for name in sorted({name for quarter in by_name for name in quarter}))


def section(found: Sequence[Spent], names: Sequence[str]) -> str:
    """A table of it; `names` are those of the quarters."""
    if not found:
        return '<p class="soft">No encoder of the service has encoded anything in these quarters.</p>'
    known = [i for i in range(len(names)) if any(one.quarters[i] for one in found)]
    heads = ("Encoder", "Directions in use", "A million effective", *(names[i] for i in known))
    rows = (
        (
            "",
            (
                f'<span class="name">{escape(one.name)}</span>{markup.small(", ".join(one.teams))}',
                "not measured" if one.share is None else escape(words.share(one.share)),
                _effective(one),
                *(_quarter(one.quarters[i]) for i in known),
            ),
        )
        for one in found
    )
    unit = (
        '<p class="soft">Costs are in the currency of <code>price_per_hour</code> of the encoder. An embedding is as '
        "effective as its stream still uses the directions of its reference (detector <code>effective_rank</code>, "
        f"mean of {escape(words.length(LOOKED_AT))}): of a collapsed encoder, a million effective ones cost more.</p>"
    )
    return markup.table("Encoding by quarter", heads, rows) + unit


def _effective(one: Spent) -> str:
    newest = next((quarter for quarter in one.quarters if quarter), None)
    price = newest.per_million if newest else None
    if price is None:
        return '<span class="soft">no price</span>'
    return escape(words.number(price / one.share)) if one.share else '<span class="soft">-</span>'


def _quarter(done: Encoding | None) -> str:
    if done is None:
        return '<span class="soft">-</span>'
    took = f"{words.length(timedelta(seconds=done.seconds))} of encoding"
    took += f", {words.length(timedelta(seconds=done.gpu_seconds))} of it on a GPU" if done.gpu_seconds else ""
    million = f"{words.number(done.per_million)} a million, " if done.per_million else ""
    cost = f"{words.number(done.cost)}" if done.cost else words.several(done.inputs, "input")
    return escape(cost) + markup.small(f"{million}{words.several(done.inputs, 'input')}, {took}")
