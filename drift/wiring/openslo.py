"""Objectives as text: OpenSLO documents from a configuration, and a configuration's `slos` from those."""

from pathlib import Path

import yaml

from detectors import DETECTORS
from drift.config import Config
from drift.config.exchange import exported, imported
from drift.config.openslo import read_documents
from drift.config.values import format_duration
from drift.errors import ConfigError
from drift.records import CANARY, CANARY_PROBE, ENVIRONMENT, parse_name
from drift.wiring.build import nearest


def written(config: Config) -> str:
    """The objectives of `config` as OpenSLO v1 documents in YAML.

    Raises:
        ConfigError: OpenSLO cannot say how long a slot is.
    """
    documents = [slo.model_dump(mode="json", by_alias=True, exclude_none=True) for slo in exported(config)]
    return yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True, width=110, allow_unicode=True)


def read_back(path: Path) -> str:
    """The SLOs in `path` as the key `slos` of a configuration, in YAML.

    Raises:
        ConfigError: they say what drift does not.
    """
    documents = read_documents(path)
    found = imported(path, documents)
    known = [*DETECTORS, ENVIRONMENT, CANARY, CANARY_PROBE]
    for slo in found:
        if parse_name(slo.detector)[0] not in known:
            hint = nearest(slo.detector, known)
            raise ConfigError(f"{path}:1: SLO {slo.name!r}: detector {slo.detector!r} is not known{hint}")
    slos = [slo.model_dump(mode="json", exclude_defaults=True) for slo in found]
    lengths = sorted({one for document in documents if (one := document.spec.objectives[0].time_slice_window)})
    here = f"; here {', '.join(map(format_duration, lengths))}" if lengths else ""
    notes = [f"# Slots are as long as the windows of their stream{here}."]
    if any(document.spec.alert_policies for document in documents):
        notes.append("# Alert policies are left out: they have one look-back each. Rules have two: see `rules`.")
    if left := len(documents) - len(slos):
        notes.append(f"# {left} SLOs say what streams have without any, and are left out.")
    text = yaml.safe_dump({"slos": slos}, sort_keys=False, width=110, allow_unicode=True)
    return "\n".join([*notes, text])
