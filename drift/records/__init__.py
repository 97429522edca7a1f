"""The nouns that flow through the service, from a source's rows to a measurement or a gap."""

from drift.records.attributions import KeptAttribution, Part, TopRow
from drift.records.canaries import Canary, CanaryRule, CanaryState, Tally, canary_id
from drift.records.causes import NONE, UNKNOWN, Cause, Diagnosed, Diagnosis
from drift.records.draws import OWN_BITS, lowest
from drift.records.gates import Checked, Gated, Judgement
from drift.records.inputs import array_url, content_of, data_url, is_data
from drift.records.levels import MOST_LEVELS, few_levels
from drift.records.lineage import Change, Lineage, changes
from drift.records.maintenance import Coverage, Maintenance, Planned, covering
from drift.records.measurements import CANARY, CANARY_PROBE, ENVIRONMENT, PERCENTILES, Gap, GapReason, Measurement
from drift.records.retrains import IN_FLIGHT, Retrain, RetrainPolicy, RetrainState
from drift.records.rows import NO_TIME, RowFault, RowReason, Rows, Texts, checksum, require_valid, tally
from drift.records.sketches import Sketch, merged_name, parse_name
from drift.records.streams import EPOCH, TENANT, Span, Stream, tenant_of
from drift.records.visitors import Role, Visitor
from drift.records.windows import Recomputed, Reference, Window

__all__ = [
    "CANARY",
    "CANARY_PROBE",
    "ENVIRONMENT",
    "EPOCH",
    "IN_FLIGHT",
    "MOST_LEVELS",
    "NONE",
    "NO_TIME",
    "OWN_BITS",
    "PERCENTILES",
    "TENANT",
    "UNKNOWN",
    "Canary",
    "CanaryRule",
    "CanaryState",
    "Cause",
    "Change",
    "Checked",
    "Coverage",
    "Diagnosed",
    "Diagnosis",
    "Gap",
    "GapReason",
    "Gated",
    "Judgement",
    "KeptAttribution",
    "Lineage",
    "Maintenance",
    "Measurement",
    "Part",
    "Planned",
    "Recomputed",
    "Reference",
    "Retrain",
    "RetrainPolicy",
    "RetrainState",
    "Role",
    "RowFault",
    "RowReason",
    "Rows",
    "Sketch",
    "Span",
    "Stream",
    "Tally",
    "Texts",
    "TopRow",
    "Visitor",
    "Window",
    "array_url",
    "canary_id",
    "changes",
    "checksum",
    "content_of",
    "covering",
    "data_url",
    "few_levels",
    "is_data",
    "lowest",
    "merged_name",
    "parse_name",
    "require_valid",
    "tally",
    "tenant_of",
]
