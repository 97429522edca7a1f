"""What is wrong with a configuration of which each field is right by itself."""

from collections.abc import Iterator

from drift.config.model import Config, StreamConfig
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
    told = any("digest" in webhook.events for webhook in config.receivers.webhooks)
    if config.digest is not None and not told:
        yield ("digest",), "digest needs a receiver: add `events: [digest]` to one of receivers.webhooks"
    if config.digest is None and told:
        yield ("receivers", "webhooks"), 'the event digest needs an hour: write `digest: {at: "09:00"}`'
    yield from _forgotten(config)
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
        (("receivers", "webhooks", "name"), [webhook.name for webhook in config.receivers.webhooks]),
    ):
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (*where[:-1], i, where[-1]), f"{where[-1]} {name!r} is used twice: each needs its own"


def _forgotten(config: Config) -> Iterator[Problem]:
    """What would be deleted while it is still needed."""
    for stream in config.streams:
        if config.retention.vectors < (least := stream.window + stream.lateness):
            text = f"vectors are kept for {config.retention.vectors}, stream {stream.id!r} needs them for {least}"
            yield ("retention", "vectors"), text
        for slo in config.slos_of(stream, stream.stream):
            if slo.sli.calibrated and config.retention.history < (least := slo.learning):
                text = (
                    f"history is kept for {config.retention.history}, objective {slo.name!r} is calibrated on {least}"
                )
                yield ("retention", "history"), text
        periods = [slo.period for slo in _objectives(config, stream)]
        if periods and config.retention.history < max(periods):
            text = f"history is kept for {config.retention.history}, objectives look back {max(periods)}"
            yield ("retention", "history"), text
