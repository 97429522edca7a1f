"""The detectors by the name that the configuration gives them, and the functions for notebooks and other programs."""

from collections.abc import Mapping
from typing import Final

from detectors.alone import hold, measure
from detectors.base import Detector
from detectors.collapse import Collapse, Verdict, collapse
from detectors.context_mmd import ContextMmd
from detectors.copies import distinct_rows
from detectors.duplicates import Duplicates
from detectors.effective_rank import EffectiveRank
from detectors.energy import Energy
from detectors.joint import Joint
from detectors.lsdd import Lsdd
from detectors.mean_shift import MeanShift
from detectors.mmd import Mmd
from detectors.mmd_fuse import MmdFuse
from detectors.novelty import Novelty
from detectors.panel import Panel
from detectors.permutation import PermutationTest, mmd_permutation_test
from detectors.probe import Probe
from detectors.skew import Skew
from detectors.valid_ratio import ValidRatio
from detectors.variance_ratio import VarianceRatio
from detectors.versions import Compatibility, VersionComparison, compare_versions
from detectors.views import ViewTerms, view_terms

__all__ = [
    "DETECTORS",
    "Collapse",
    "Compatibility",
    "ContextMmd",
    "Duplicates",
    "EffectiveRank",
    "Energy",
    "Joint",
    "Lsdd",
    "MeanShift",
    "Mmd",
    "MmdFuse",
    "Novelty",
    "Panel",
    "PermutationTest",
    "Probe",
    "Skew",
    "ValidRatio",
    "VarianceRatio",
    "Verdict",
    "VersionComparison",
    "ViewTerms",
    "collapse",
    "compare_versions",
    "distinct_rows",
    "hold",
    "measure",
    "mmd_permutation_test",
    "view_terms",
]

DETECTORS: Final[Mapping[str, type[Detector]]] = {
    d.name: d
    for d in (
        ContextMmd,
        Duplicates,
        EffectiveRank,
        Energy,
        Joint,
        Lsdd,
        MeanShift,
        Mmd,
        MmdFuse,
        Novelty,
        Probe,
        Skew,
        ValidRatio,
        VarianceRatio,
    )
}
