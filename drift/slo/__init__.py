"""Objectives: which windows are good, what share of them is promised, and how fast the error budget burns."""

from drift.slo.budgets import Budget, Burn, Slot, Spent, budget, look_backs, spent
from drift.slo.calibration import Calibration
from drift.slo.conformal import Conformal, Hours, Past, conformal
from drift.slo.indicators import Outcome, Quantity, Sli
from drift.slo.objectives import INSUFFICIENT_AFTER, MIN_BAD, NODATA_AFTER, RULES, BurnRateRule, Severity, Slo

__all__ = [
    "INSUFFICIENT_AFTER",
    "MIN_BAD",
    "NODATA_AFTER",
    "RULES",
    "Budget",
    "Burn",
    "BurnRateRule",
    "Calibration",
    "Conformal",
    "Hours",
    "Outcome",
    "Past",
    "Quantity",
    "Severity",
    "Sli",
    "Slo",
    "Slot",
    "Spent",
    "budget",
    "conformal",
    "look_backs",
    "spent",
]
