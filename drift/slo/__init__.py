"""Objectives: which windows are good, what share of them is promised, and how fast the error budget burns."""

from drift.slo.budgets import Budget, Burn, Ledger, Slot, Spent, budget, look_backs
from drift.slo.calibration import Calibration
from drift.slo.conformal import Conformal, Hours, Past, conformal
from drift.slo.indicators import Events, Outcome, Quantity, Sli
from drift.slo.objectives import INSUFFICIENT_AFTER, NODATA_AFTER, BudgetingMethod, Slo
from drift.slo.rules import LEAST_PAGE, MIN_BAD, RULES, BurnRateRule, Severity, Tier, default_rules
from drift.slo.sequences import parse_sequence

__all__ = [
    "INSUFFICIENT_AFTER",
    "LEAST_PAGE",
    "MIN_BAD",
    "NODATA_AFTER",
    "RULES",
    "Budget",
    "BudgetingMethod",
    "Burn",
    "BurnRateRule",
    "Calibration",
    "Conformal",
    "Events",
    "Hours",
    "Ledger",
    "Outcome",
    "Past",
    "Quantity",
    "Severity",
    "Sli",
    "Slo",
    "Slot",
    "Spent",
    "Tier",
    "budget",
    "conformal",
    "default_rules",
    "look_backs",
    "parse_sequence",
]
