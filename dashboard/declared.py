"""What the configuration says of streams and their objectives, found once: exact burn rates take a millisecond each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drift.config import AccessConfig, Config, KpiConfig, StreamConfig
from drift.slo import Slo


@dataclass(frozen=True, slots=True, eq=False)
class Declared:
    """Streams by their name, the objectives of each stream and segment by its key and their own names, and numbers of
    the business. `access` says who may see what.
    """

    streams: Mapping[str, StreamConfig]
    objectives: Mapping[str, Mapping[str, Slo]]
    access: AccessConfig
    kpis: tuple[KpiConfig, ...] = ()

    @classmethod
    def of(cls, config: Config) -> "Declared":
        """All that `config` declares."""
        return cls(
            {stream.id: stream for stream in config.streams},
            {
                part.key: {slo.name: slo for slo in config.slos_of(stream, part)}
                for stream in config.streams
                for part in stream.measured_streams
            },
            config.access,
            tuple(config.kpis),
        )

    def without_inputs(self) -> "Declared":
        """The same for those who may see no inputs, whatever the streams say."""
        hidden = {name: stream.model_copy(update={"show_inputs": False}) for name, stream in self.streams.items()}
        return replace(self, streams=hidden)

    def tenant(self, key: str) -> str:
        """Whose traffic all of the stream is; "" where it is not declared, or not one tenant's."""
        declared = self.stream(key)
        return declared.tenant if declared else ""

    def stream(self, key: str) -> StreamConfig | None:
        """What is declared of the stream of that key, or of the one that it is a segment of; None where it is not."""
        return self.streams.get(key.split("/", 1)[0])

    def slos(self, key: str) -> Mapping[str, Slo]:
        """The objectives of the stream or segment of that key, by name; none where it is not declared."""
        return self.objectives.get(key, {})

    def named(self, slo: str) -> Mapping[str, Slo]:
        """The objectives of that name, by the keys of their streams."""
        return {key: slos[slo] for key, slos in self.objectives.items() if slo in slos}
