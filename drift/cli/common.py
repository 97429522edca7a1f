"""What commands have in common: their words, and how their faults end them."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from drift.errors import DriftError

ConfigPath = Annotated[Path, typer.Argument(help="The configuration file.", show_default=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, not a table for people.")]
DEFAULT: Final = Path("drift.yaml")
_WIDE: Final = 10_000


def tables() -> Console:
    """Where tables are printed: as wide as they are, unless a terminal says how much room there is."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDE, highlight=False)


@contextmanager
def told(failed: int = 1) -> Iterator[None]:
    """Faults that are meant for people end the command with their text; a closed terminal ends it as Ctrl-C does.

    Any fault ends it with the status `failed`, also one that nobody meant where 1, Python's own, says something else.
    """
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)  # SIGINT too: a shell's `&` has it ignored
    try:
        yield
    except (DriftError, OSError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False)
        raise typer.Exit(failed) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except Exception:
        if failed == 1:
            raise
        Console(stderr=True).print_exception()
        raise typer.Exit(failed) from None
