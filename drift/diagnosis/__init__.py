"""The name of the fault: what the serving path did, or how the data changed."""

from drift.diagnosis.causes import cause_of
from drift.diagnosis.diagnose import Progress, diagnose
from drift.diagnosis.pairs import Tolerance

__all__ = ["Progress", "Tolerance", "cause_of", "diagnose"]
