"""The distributional panel: has anything about the embeddings changed, and how much?"""

from detectors.panel.attribution import Attribution
from detectors.panel.effect import Effect
from detectors.panel.fitted import Panel
from detectors.panel.result import Result, Statistic
from detectors.panel.statistics import NAMES
from drift.records import Part

__all__ = ["NAMES", "Attribution", "Effect", "Panel", "Part", "Result", "Statistic"]
