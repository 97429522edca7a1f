"""Fits that take long, made before the first window comes, with a progress bar."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress, TaskID

from detectors.base import Detector, Prepared
from drift.pipeline.references import prepare
from drift.records import Reference
from drift.store.connect import Connection


def prepare_all(
    conn: Connection, detectors: Sequence[Detector], references: Mapping[str, Reference], *, rows: int
) -> None:
    """Have every such fit ready for windows of `rows` rows, so that none has to wait for it."""
    slow = [detector for detector in detectors if isinstance(detector, Prepared)]
    if not slow:
        return
    with Progress(console=Console(stderr=True), transient=True) as shown:
        for key, reference in references.items():
            for detector in slow:
                task = shown.add_task(f"{key}: null windows of {detector.name}", total=None)

                def progress(done: int, total: int, task: TaskID = task) -> None:
                    shown.update(task, completed=done, total=total)

                prepare(conn, reference, detector, rows=rows, progress=progress)
