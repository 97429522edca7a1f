"""The detectors by the name that the configuration gives them, and the functions for notebooks and other programs."""

from collections.abc import Mapping
from typing import Final

from detectors.alone import hold, measure
from detectors.base import Detector
from detectors.collapse import Collapse, Verdict, collapse
from detectors.effective_rank import EffectiveRank
from detectors.joint import Joint
from detectors.knn_probe import KnnProbe
from detectors.mean_shift import MeanShift
from detectors.mmd import Mmd
from detectors.novelty import Novelty
from detectors.panel import Panel
from detectors.permutation import PermutationTest, mmd_permutation_test
from detectors.probe import Probe
from detectors.recall import Recall
from detectors.refit_probe import RefitProbe
from detectors.skew import Skew
from detectors.valid_ratio import ValidRatio
from detectors.variance_ratio import VarianceRatio
from detectors.versions import Compatibility, VersionComparison, compare_versions
from detectors.views import ViewTerms, view_terms

__all__ = [
    "DETECTORS",
    "Collapse",
    "Compatibility",
    "EffectiveRank",
    "Joint",
    "KnnProbe",
    "MeanShift",
    "Mmd",
    "Novelty",
    "Panel",
    "PermutationTest",
    "Probe",
    "Recall",
    "RefitProbe",
    "Skew",
    "ValidRatio",
    "VarianceRatio",
    "Verdict",
    "VersionComparison",
    "ViewTerms",
    "collapse",
    "compare_versions",
    "hold",
    "measure",
    "mmd_permutation_test",
    "view_terms",
]

DETECTORS: Final[Mapping[str, type[Detector]]] = {
    d.name: d
    for d in (
        EffectiveRank,
        Joint,
        KnnProbe,
        MeanShift,
        Mmd,
        Novelty,
        Probe,
        Recall,
        RefitProbe,
        Skew,
        ValidRatio,
        VarianceRatio,
    )
}
