"""The detectors by the name that the configuration gives them, and the functions for notebooks and other programs."""

from collections.abc import Mapping
from typing import Final

from detectors.base import Detector
from detectors.classifier import Classifier
from detectors.collapse import Collapse, Verdict, collapse
from detectors.effective_rank import EffectiveRank
from detectors.joint import Joint
from detectors.ks import Ks
from detectors.mean_shift import MeanShift
from detectors.mmd import Mmd
from detectors.novelty import Novelty
from detectors.online import Alarm, Online, OnlineInWindow
from detectors.panel import Panel
from detectors.permutation import PermutationTest, mmd_permutation_test
from detectors.probe import Probe
from detectors.skew import Skew
from detectors.sliced_wasserstein import SlicedWasserstein
from detectors.valid_ratio import ValidRatio
from detectors.variance_ratio import VarianceRatio
from detectors.versions import Compatibility, VersionComparison, compare_versions

__all__ = [
    "DETECTORS",
    "Alarm",
    "Collapse",
    "Compatibility",
    "Online",
    "Panel",
    "PermutationTest",
    "Verdict",
    "VersionComparison",
    "collapse",
    "compare_versions",
    "mmd_permutation_test",
]

DETECTORS: Final[Mapping[str, type[Detector]]] = {
    d.name: d
    for d in (
        Classifier,
        EffectiveRank,
        Joint,
        Ks,
        MeanShift,
        Mmd,
        Novelty,
        OnlineInWindow,
        Probe,
        Skew,
        SlicedWasserstein,
        ValidRatio,
        VarianceRatio,
    )
}
