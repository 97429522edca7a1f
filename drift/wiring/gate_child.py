"""The gate as a process of its own: it loads models, which must neither stay in the service nor bring it down."""

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from drift.config import EncoderConfig, GateConfig
from drift.pipeline.gates import GoOn, fault_of
from drift.records import Judgement
from drift.wiring.processes import Done, run_to_end

LONGEST_SECONDS: Final = 3600.0
"""What takes longer will not end."""
LONGEST_ERROR: Final = 1000


@dataclass(frozen=True, slots=True)
class GateChild:
    """Judges a new version of a stream's model: `drift gate` of the stream's own encoder and that of the version."""

    encoder: EncoderConfig
    gate: GateConfig
    command: tuple[str, ...] = (sys.executable, "-m", "drift")

    def __call__(self, version: str, go_on: GoOn) -> Judgement:
        """The judgement; `go_on` is asked all the while, and what it raises ends the process."""
        # It is asked when the version is told of, too; but a version may be on record before there is a gate.
        if why := fault_of(version):
            return Judgement(self.encoder.model, "", "error", (why,))
        candidate = self.gate.candidate.replace("{version}", version)
        with tempfile.TemporaryDirectory(prefix="drift-gate-") as folder:
            spec = Path(folder) / "baseline.yaml"
            spec.touch(mode=0o600)  # an endpoint's key is in it
            spec.write_text(yaml.safe_dump(_plain(self.encoder)), encoding="utf-8")
            words = [*self.command, *self._words(spec, candidate)]
            done = run_to_end("the gate", words, Path(folder), go_on, most_seconds=LONGEST_SECONDS)
        return self._read(done, candidate)

    def _words(self, spec: Path, candidate: str) -> list[str]:
        words = ["gate", f"--baseline={spec}", f"--candidate={candidate}", f"--probe={self.gate.probe}", "--json"]
        words += [f"--rows={self.gate.rows}", f"--segment={self.gate.segment}"]
        return words if self.gate.thresholds is None else [*words, f"--thresholds={self.gate.thresholds}"]

    def _read(self, done: Done, candidate: str) -> Judgement:
        if done.status not in {0, 1}:
            why = done.error.strip()[-LONGEST_ERROR:] or f"the gate ended with status {done.status}"
            return Judgement(self.encoder.model, candidate, "error", (why,))
        said = json.loads(done.output)
        return Judgement(
            self.encoder.model, candidate, said["verdict"], tuple(said["reasons"]), said["rows"], done.output
        )


def _plain(encoder: EncoderConfig) -> dict[str, object]:
    plain: dict[str, object] = encoder.model_dump(mode="json", exclude_defaults=True, exclude={"api_key"})
    if encoder.api_key is not None:
        plain["api_key"] = encoder.api_key.get_secret_value()
    return plain | {"model": encoder.model}
