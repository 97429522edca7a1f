"""The detectors by the name that the configuration gives them."""

from collections.abc import Mapping
from typing import Final

from detectors.base import Detector
from detectors.effective_rank import EffectiveRank
from detectors.joint import Joint
from detectors.mmd import Mmd
from detectors.novelty import Novelty
from detectors.panel import Panel
from detectors.probe import Probe
from detectors.skew import Skew
from detectors.valid_ratio import ValidRatio
from detectors.variance_ratio import VarianceRatio

DETECTORS: Final[Mapping[str, type[Detector]]] = {
    d.name: d for d in (EffectiveRank, Joint, Mmd, Novelty, Probe, Skew, ValidRatio, VarianceRatio)
}

__all__ = ["DETECTORS", "Detector", "Panel"]
