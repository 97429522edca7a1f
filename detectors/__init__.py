"""The detectors by the name that the configuration gives them, and the functions for notebooks and other programs."""

from collections.abc import Mapping
from typing import Final

from detectors.accuracy import Diagnosis, ProbeReport, probe
from detectors.alone import hold, measure
from detectors.base import Detector
from detectors.collapse import Collapse, Verdict, collapse
from detectors.effective_rank import EffectiveRank
from detectors.joint import Joint
from detectors.knn_probe import KnnProbe
from detectors.label_free import Estimate, EstimatedAccuracy, estimate_accuracy
from detectors.labels import Accuracy
from detectors.mean_shift import MeanShift
from detectors.mmd import Mmd
from detectors.novelty import Novelty
from detectors.paired import PairedAccuracy, PairedSequence, paired_accuracy
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
    "Accuracy",
    "Collapse",
    "Compatibility",
    "Diagnosis",
    "EffectiveRank",
    "Estimate",
    "EstimatedAccuracy",
    "Joint",
    "KnnProbe",
    "MeanShift",
    "Mmd",
    "Novelty",
    "PairedAccuracy",
    "PairedSequence",
    "Panel",
    "PermutationTest",
    "Probe",
    "ProbeReport",
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
    "estimate_accuracy",
    "hold",
    "measure",
    "mmd_permutation_test",
    "paired_accuracy",
    "probe",
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
