"""What commands have in common: their words, and how their faults end them."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.markup import escape

from drift.errors import DriftError

if TYPE_CHECKING:
    from drift.store.connect import Connection

T = TypeVar("T")

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


def show_kept(
    read: "Callable[[Connection], T]",
    drawn: Callable[[T], RenderableType],
    plain: Callable[[T], object],
    *,
    as_json: bool,
) -> None:
    """Print what `read` finds in the database: `drawn` for people, or `plain` as JSON."""
    from drift.config import read_settings
    from drift.wiring.database import migrated

    with told(), migrated(read_settings()) as found:
        with found.engine.connect() as conn:
            kept = read(conn)
        if as_json:
            typer.echo(json.dumps(plain(kept), indent=2))
        else:
            tables().print(drawn(kept))
