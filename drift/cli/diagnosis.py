"""The command that names what is wrong."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from drift.cli.common import DEFAULT, AsJson, told
from drift.errors import ConfigError

app = typer.Typer()


@app.command()
def diagnose(
    current: Annotated[
        str, typer.Argument(metavar="CURRENT", help="A file of embeddings, with inputs; or a stream's key.")
    ],
    reference: Annotated[
        str, typer.Option(metavar="REF", help="Healthy embeddings: a file; of a stream, a reference's version.")
    ] = "",
    window: Annotated[
        datetime | None, typer.Option(help="Of a stream: a moment of the window, UTC. By default the newest.")
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            metavar="MODEL",
            help='What should have made them: "bundled", a directory, a hub name, YAML. By default the stream\'s own.',
        ),
    ] = "",
    candidate: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="What may have made them instead; may be repeated.")
    ] = None,
    config: Annotated[Path, typer.Option(help="The configuration file that declares the stream.")] = DEFAULT,
    seed: Annotated[int, typer.Option(min=0, help="Decides which rows of a file are encoded again.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Name what is wrong: the data, or which fault of the serving path.

    **Files** (.npy, Parquet or Arrow with a column `vector`) need `--reference`, and no configuration or database. With
    a column `input` and `--encoder` up to 256 rows are encoded again, and failing ones under each known fault. Without
    them, vectors alone tell less. A YAML file declares a model as a stream's `encoder` does (pooling, max_length, ...).

    **A stream's** newest window, or that of `--window`, is read from the database and held against its reference.
    """
    from drift.config import load, read_settings
    from drift.wiring.diagnose_command import Models, bar, of_files, of_stream, show

    models = Models(encoder, tuple(candidate or ()))
    with told():
        if Path(current).exists():
            if not reference:
                raise ConfigError(f"{current} is a file: say with --reference which file holds healthy embeddings")
            with bar(shown=not as_json) as progress:
                looked, found = of_files(Path(current), Path(reference), models, seed=seed, progress=progress)
            show(found, looked, as_json=as_json)
            return
        if not config.exists():
            raise ConfigError(f"{current} is no file; if it is a stream, say with --config where it is declared")
        at = None if window is None else window.replace(tzinfo=UTC)
        settings = read_settings()
        with bar(shown=not as_json) as progress:
            span, found = of_stream(
                current, load(config), settings, models, reference=reference, at=at, progress=progress
            )
        show(found, span, as_json=as_json)
