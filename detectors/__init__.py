"""The detectors by the name that the configuration gives them, and the functions for notebooks and other programs."""

from collections.abc import Mapping
from typing import Final

from detectors.accuracy import Diagnosis, ProbeReport, probe
from detectors.alone import hold, measure
from detectors.base import Detector
from detectors.classifier import Classifier
from detectors.context_mmd import ContextMmd
from detectors.copies import distinct_rows
from detectors.crossed import crossed_probe
from detectors.duplicates import Duplicates
from detectors.effective_rank import EffectiveRank
from detectors.energy import Energy
from detectors.estimated_accuracy import AccuracyEstimate
from detectors.frozen_probe import Probe
from detectors.joint import Joint
from detectors.knn_probe import KnnProbe
from detectors.ks import Ks
from detectors.label_free import Estimate, EstimatedAccuracy, estimate_accuracy
from detectors.labels import Accuracy
from detectors.lsdd import Lsdd
from detectors.mean_shift import MeanShift
from detectors.mmd import Mmd
from detectors.mmd_fuse import MmdFuse
from detectors.novelty import Novelty
from detectors.online import Alarm, Online, OnlineInWindow
from detectors.paired import PairedAccuracy, PairedSequence, paired_accuracy
from detectors.panel import Attribution, Effect, Panel, Result, Statistic
from detectors.permutation import PermutationTest, mmd_permutation_test
from detectors.quantised import Quantised
from detectors.recall import Recall
from detectors.refit_probe import RefitProbe
from detectors.shapes import Collapse, Compared, Verdict, collapse
from detectors.skew import Skew
from detectors.sliced_wasserstein import SlicedWasserstein
from detectors.valid_ratio import ValidRatio
from detectors.variance_ratio import VarianceRatio
from detectors.versions import Compatibility, KeptNeighbours, VersionComparison, compare_versions, kept_neighbours
from detectors.views import ViewTerms, view_terms
from drift.records import Measurement, Part, Reference, Rows

__all__ = [
    "DETECTORS",
    "Accuracy",
    "AccuracyEstimate",
    "Alarm",
    "Attribution",
    "Classifier",
    "Collapse",
    "Compared",
    "Compatibility",
    "ContextMmd",
    "Diagnosis",
    "Duplicates",
    "Effect",
    "EffectiveRank",
    "Energy",
    "Estimate",
    "EstimatedAccuracy",
    "Joint",
    "KeptNeighbours",
    "KnnProbe",
    "Ks",
    "Lsdd",
    "MeanShift",
    "Measurement",
    "Mmd",
    "MmdFuse",
    "Novelty",
    "Online",
    "OnlineInWindow",
    "PairedAccuracy",
    "PairedSequence",
    "Panel",
    "Part",
    "PermutationTest",
    "Probe",
    "ProbeReport",
    "Quantised",
    "Recall",
    "Reference",
    "RefitProbe",
    "Result",
    "Rows",
    "Skew",
    "SlicedWasserstein",
    "Statistic",
    "ValidRatio",
    "VarianceRatio",
    "Verdict",
    "VersionComparison",
    "ViewTerms",
    "collapse",
    "compare_versions",
    "crossed_probe",
    "distinct_rows",
    "estimate_accuracy",
    "hold",
    "kept_neighbours",
    "measure",
    "mmd_permutation_test",
    "paired_accuracy",
    "probe",
    "view_terms",
]

DETECTORS: Final[Mapping[str, type[Detector]]] = {
    d.name: d
    for d in (
        AccuracyEstimate,
        Classifier,
        ContextMmd,
        Duplicates,
        EffectiveRank,
        Energy,
        Joint,
        KnnProbe,
        Ks,
        Lsdd,
        MeanShift,
        Mmd,
        MmdFuse,
        Novelty,
        OnlineInWindow,
        Probe,
        Quantised,
        Recall,
        RefitProbe,
        Skew,
        SlicedWasserstein,
        ValidRatio,
        VarianceRatio,
    )
}
