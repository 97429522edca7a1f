"""Every error that drift raises on purpose.

A message says what was needed, what was found, of which thing, and what to do about it.
"""

from collections.abc import Mapping
from datetime import timedelta


class DriftError(Exception):
    """Base of all errors raised on purpose; its text is meant for the person who runs the service."""


class ConfigError(DriftError):
    """The configuration cannot be used: names file, line, field, value, and what would be right."""


class SequenceError(DriftError):
    """A written sequence of slots cannot be read: names the place, what is there, and what would be right."""


class MaintenanceError(DriftError):
    """A maintenance window cannot be planned or cancelled: names the field, its value, and what would be right."""


class UnknownMaintenanceError(MaintenanceError):
    """No maintenance window has the id that was named."""


class SourceError(DriftError):
    """A collector could not read its source."""


class PayloadError(DriftError):
    """A request body as a whole could not be read (not merely some of its rows)."""


class UnknownFormatError(PayloadError):
    """A request body is of a content type that is not known."""


class BatchConflictError(DriftError):
    """A batch has the key of another one that was taken before, and other content."""


class UnknownStreamError(DriftError):
    """Rows or a request name a stream that the configuration does not declare."""


class BadArgumentError(DriftError, ValueError):
    """A function was called with a parameter of another type or range: names it, its value, and what would be right."""


class DriftWarning(UserWarning):
    """Base of all warnings: the result stands, and something about its making may not be as the caller thinks."""


class LevelWarning(DriftWarning):
    """A reference does not let a test keep its level: it has too few rows, or a few far longer ones than the others."""


class CopiedRowsWarning(DriftWarning):
    """Many of the rows of a window are copies of one another, where a p-value is of independent rows."""


class BadReferenceError(DriftError):
    """A reference cannot be made or used, for example because all its rows are equal."""


class UnknownReferenceError(DriftError):
    """A command names a reference that is not kept, or not enough of its version to tell it from another."""


class EnvironmentDriftError(DriftError):
    """The encoder, as it runs here, no longer gives the vectors that were kept of a reference."""


class EncoderError(DriftError):
    """An encoder could not be loaded, or its files are not the ones that were asked for."""


class UnreadableInputsError(EncoderError):
    """Some inputs are not what the encoder takes: `faults` says why, by position. The others can be encoded without."""

    def __init__(self, faults: Mapping[int, str], of: int) -> None:
        first = min(faults)
        super().__init__(
            f"{len(faults)} of {of} inputs cannot be encoded; the first of them, at position {first}: {faults[first]}"
        )
        self.faults = faults


class StoreError(DriftError):
    """The database cannot be used: not reachable, too old, or not migrated."""


class DeliveryError(DriftError):
    """One attempt to deliver a notification failed.

    `status` is the HTTP status, None when there was no answer. `retry_after` is how long the receiver asked to be left
    alone. `final` says that no further attempt will help.
    """

    def __init__(
        self, text: str, *, status: int | None = None, retry_after: timedelta | None = None, final: bool = False
    ) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after
        self.final = final


class RefusedAlertsError(DeliveryError):
    """An Alertmanager took a batch but for some alerts, which it will never take.

    `places` are their positions in the body that was sent.
    """

    def __init__(self, text: str, *, status: int, places: tuple[int, ...]) -> None:
        super().__init__(text, status=status, final=True)
        self.places = places


class VersionError(DriftError):
    """A new version has a name that the gate of its stream cannot use."""


class SignatureError(DriftError):
    """A webhook's signature, timestamp or body is not what the sender signed."""


class UnknownCanaryError(DriftError):
    """A command names a canary that is not on record, or not enough of its id."""


class PrometheusError(DriftError):
    """A Prometheus that is asked for numbers does not answer, or has none."""


class UnknownGateError(DriftError):
    """A command names a decision of the gate that is not on record, or not enough of its id."""


class UnknownRetrainError(DriftError):
    """A command or a request names a retraining that nobody has asked for, or not enough of its id."""


class RetrainStateError(DriftError):
    """A retraining cannot go where it was told to: names its state, and what it may become from there."""


class UnknownReceiverError(DriftError):
    """A command names a receiver that is not configured, or a message that is not on record."""


class UnmeasurableError(DriftError):
    """A detector refuses a window; the pipeline stores it as a gap with this reason.

    `reason` is one of the values of `drift.records.GapReason`.
    """

    reason = "unmeasurable"


class TooFewRowsError(UnmeasurableError):
    """The window has fewer rows than the detector needs."""

    reason = "too_few_rows"


class MissingLabelsError(UnmeasurableError):
    """The detector needs labels that the window or the reference does not carry."""

    reason = "no_labels"


class MissingInputsError(UnmeasurableError):
    """The detector needs re-encoded inputs that the window does not carry."""

    reason = "no_inputs"
