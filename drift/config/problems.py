"""What is wrong with a configuration of which each field is right by itself."""

from collections.abc import Iterator

from drift.config.model import Config, StreamConfig
from drift.config.slos import CONTEXT
from drift.config.values import format_duration
from drift.slo import Slo

Problem = tuple[tuple[str | int, ...], str]
"""Where in the file, and what is wrong in words for its author."""


def problems(config: Config) -> Iterator[Problem]:
    """What no single field is to blame for: where, and in words for the author."""
    yield from _used_twice(config)
    known = {stream.id for stream in config.streams}
    for i, slo in enumerate(config.slos):
        for name in slo.streams:
            if name not in known:
                yield (
                    ("slos", i, "streams"),
                    f"objective {slo.name!r} names the stream {name!r}, known are {', '.join(sorted(known))}",
                )
        for stream in config.streams:
            names = [name for part in stream.measured_streams for name in stream.measured_of(part)]
            if (not slo.streams or stream.id in slo.streams) and slo.detector not in names:
                found = ", ".join(dict.fromkeys(names))
                yield ("slos", i, "detector"), f"{slo.detector!r} does not run on {stream.id!r}, which runs {found}"
    yield from _kpis(config)
    told = any("digest" in webhook.events for webhook in config.receivers.webhooks)
    if config.digest is not None and not told:
        yield ("digest",), "digest needs a receiver: add `events: [digest]` to one of receivers.webhooks"
    if config.digest is None and told:
        yield ("receivers", "webhooks"), 'the event digest needs an hour: write `digest: {at: "09:00"}`'
    yield from _on_context(config)
    yield from _too_many_false_pages(config)
    yield from _forgotten(config)
    yield from _canaries(config)
    yield from _gates(config)
    places = {slo.name: i for i, slo in enumerate(config.slos)}
    for i, stream in enumerate(config.streams):
        for objective in _objectives(config, stream):
            name = objective.name
            where = ("slos", places[name]) if name in places else ("streams", i)
            yield from ((where, f"objective {name!r} of {stream.id!r}: {fault}") for fault in objective.faults())


def _objectives(config: Config, stream: StreamConfig) -> Iterator[Slo]:
    """Each objective once: those of segments are those of their stream."""
    for part in (stream.stream, *([canary] if (canary := stream.canary_stream) else [])):
        yield from config.slos_of(stream, part)


def _used_twice(config: Config) -> Iterator[Problem]:
    """Names that should tell two things apart."""
    for where, names in (
        (("streams", "id"), [stream.id for stream in config.streams]),
        (("slos", "name"), [slo.name for slo in config.slos]),
        (("kpis", "name"), [kpi.name for kpi in config.kpis]),
        (("receivers", "webhooks", "name"), [webhook.name for webhook in config.receivers.webhooks]),
        (("access", "tokens", "name"), [token.name for token in config.access.tokens]),
    ):
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (*where[:-1], i, where[-1]), f"{where[-1]} {name!r} is used twice: each needs its own"


def _on_context(config: Config) -> Iterator[Problem]:
    """Objectives on what is no measurement."""
    for i, slo in enumerate(config.slos):
        if slo.detector in CONTEXT:
            yield (
                ("slos", i, "detector"),
                f"objective {slo.name!r} is on {slo.detector!r}, an estimate that is most wrong when it matters: "
                "put it on `probe` or `skew`",
            )


def _kpis(config: Config) -> Iterator[Problem]:
    """Numbers beside streams that there are none of."""
    known = {stream.id for stream in config.streams}
    for i, kpi in enumerate(config.kpis):
        for name in kpi.streams:
            if name not in known:
                said = f"kpi {kpi.name!r} names the stream {name!r}, known are {', '.join(sorted(known))}"
                yield ("kpis", i, "streams"), said


def _too_many_false_pages(config: Config) -> Iterator[Problem]:
    """A fleet budget that no bounds can keep."""
    wanted = config.false_pages_per_year
    if wanted is None or (found := config.division).pages <= wanted or found.worst is None:
        return
    worst = found.worst
    yield (
        ("false_pages_per_year",),
        f"false_pages_per_year {wanted:g} is less than chance will raise at the lowest bounds that tests can tell, "
        f"most by {worst.name!r} of {worst.stream!r}: allow at least {found.least:g}, or give that objective a lower "
        "target or a shorter interval",
    )


def _canaries(config: Config) -> Iterator[Problem]:
    """Streams that cannot be held side by side."""
    for i, canary in enumerate(config.canary):
        sides = [config.stream(name) for name in (canary.baseline, canary.candidate)]
        for name, stream in zip(("baseline", "candidate"), sides, strict=True):
            if stream is None:
                known = ", ".join(stream.id for stream in config.streams)
                yield ("canary", i, name), f"{name} {getattr(canary, name)!r} is no stream, known are {known}"
        if (old := sides[0]) is None or (new := sides[1]) is None:
            continue
        if (old.model, old.window) != (new.model, new.window) or old.version == new.version:
            said = [f"{one.id} has {one.model!r}, {one.version!r} and {one.window}" for one in (old, new)]
            text = f"a canary needs two versions of one model in windows of one length, {' and '.join(said)}"
            yield ("canary", i), text
        if "skew" in canary.signals and not (old.encoder and new.encoder):
            yield ("canary", i, "signals"), f"skew needs an `encoder` on both {old.id} and {new.id}"


def _gates(config: Config) -> Iterator[Problem]:
    """Gates that have nothing to hold a new version against."""
    for i, stream in enumerate(config.streams):
        if stream.gate is not None and stream.encoder is None:
            yield ("streams", i, "gate"), f"the gate of {stream.id!r} needs the stream's `encoder`: what serves now"


def _forgotten(config: Config) -> Iterator[Problem]:
    """What would be deleted while it is still needed."""
    history = format_duration(config.retention.history)
    for stream in config.streams:
        if config.retention.vectors < (least := stream.window + stream.lateness):
            kept, least_said = format_duration(config.retention.vectors), format_duration(least)
            text = f"vectors are kept for {kept}, stream {stream.id!r} needs them for {least_said}"
            yield ("retention", "vectors"), text
        for slo in config.slos_of(stream, stream.stream):
            if slo.sli.calibrated and config.retention.history < (least := slo.learning):
                text = (
                    f"history is kept for {history}, objective {slo.name!r} is calibrated on {format_duration(least)}"
                )
                yield ("retention", "history"), text
        periods = [slo.period for slo in _objectives(config, stream)]
        if periods and config.retention.history < max(periods):
            text = f"history is kept for {history}, objectives look back {format_duration(max(periods))}"
            yield ("retention", "history"), text
