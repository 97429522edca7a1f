"""How far a long job of encoding is, and how fast: a bar on standard error, and a line there at its end."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text


class Rate(ProgressColumn):
    """Inputs a second."""

    def render(self, task: Task) -> Text:
        """Empty until there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} inputs/s" if speed else "")


def shown(starts: range) -> Iterator[int]:
    """The starts of a job's pieces, with a bar on a terminal."""
    columns = ("encoding", BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    # Never on standard output, which is for what the command prints.
    console = Console(stderr=True, soft_wrap=True)
    with Progress(*columns, console=console, transient=True) as bar:
        bar.add_task("", total=starts.stop)
        task = bar.tasks[0]
        for start in starts:
            yield start
            bar.update(task.id, completed=min(start + starts.step, starts.stop))
    seconds = task.elapsed or 0.0
    console.print(f"{starts.stop:,} inputs encoded in {seconds:.1f} s", highlight=False)
