"""The command that decides whether an encoder may take another's place, and those that show what was decided."""

from pathlib import Path
from typing import Annotated

import typer

from drift.cli.common import AsJson, show_kept, told

app = typer.Typer()


@app.callback(invoke_without_command=True)
def gate(
    context: typer.Context,
    baseline: Annotated[
        str,
        typer.Option(
            metavar="A",
            help='What serves: "bundled", a directory, a hub name, MLflow\'s models:/ or runs:/, YAML; vectors.',
        ),
    ] = "",
    candidate: Annotated[str, typer.Option(metavar="B", help="What should take its place, of the same kind.")] = "",
    quantised: Annotated[str, typer.Option(metavar="A", help="Instead: one model in every precision.")] = "",
    probe: Annotated[Path | None, typer.Option(help="Parquet or Arrow with `input`: what models encode.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="YAML: check, and its `warn` and `fail`.")] = None,
    segment: Annotated[str, typer.Option(help="Judge the values of this column one by one, too.")] = "",
    rows: Annotated[int, typer.Option(min=32, help="Inputs at most, drawn at random.")] = 2000,
    k: Annotated[int, typer.Option("--k", min=1, max=1000, help="Nearest neighbours that count.")] = 10,
    baseline_dtype: Annotated[str, typer.Option(help="Its precision, where not its own.")] = "",
    candidate_dtype: Annotated[str, typer.Option(help="fp32, fp16, bf16, int8-weights or int8.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Decides which inputs of files, and the probe's folds.")] = 0,
    as_json: AsJson = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the report to this file too, for a pull request.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report, with plots, to this file too.")] = None,
    notify: Annotated[
        Path | None, typer.Option(metavar="CONFIG", help="`--record`, and tell its webhooks with `events: [gate]`.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Keep the decision in the database: `drift gate list`.")
    ] = False,
) -> None:
    """Decide whether a candidate encoder may take a baseline's place: pass, warn or fail, and why.

    **Models** encode the inputs of `--probe`; a column `label` there lets a probe's accuracy count. A YAML file
    declares one as a stream's `encoder` does (pooling, normalise, ...). **Two files** of
    embeddings (.npy, Parquet or Arrow with `vector`) of the same inputs are paired by `id`, or by their order; labels
    are read from them. **Exit status**: 0 pass or warn, 1 fail, 2 an error.

    **`--quantised`** prints what each precision of one model gives and costs: a probe's accuracy, recall of the old
    index, neighbours, size and speed.

    By default the candidate should be the baseline in all but name (another precision, runtime, library), and the old
    index stay. Where the index is made anew, say `compatibility: {warn: null, fail: null}` in `--thresholds`.
    """
    if context.invoked_subcommand is not None:
        return
    from drift.wiring.gate import Request
    from drift.wiring.gate_command import Output, run, run_quantised

    if bool(quantised) == bool(baseline and candidate) or (quantised and (baseline or candidate)):
        raise typer.BadParameter("needs --baseline and --candidate, or --quantised alone")
    with told(failed=2):
        precisions = (baseline_dtype, candidate_dtype)
        request = Request(baseline or quantised, candidate, probe, rows, seed, segment, k, precisions)
        output = Output(as_json, markdown, html, notify, record)
        failed = False
        if quantised:
            run_quantised(request, output)
        else:
            failed = run(request, thresholds, output)
    raise typer.Exit(int(failed))


@app.command("list")
def list_decisions(as_json: AsJson = False) -> None:
    """List what gates have decided, the newest first: after a retraining, or by hand with `--record`."""
    from drift.store.gates import decisions
    from drift.wiring import gated_report as report

    show_kept(decisions, report.as_table, lambda found: [*map(report.as_json, found)], as_json=as_json)


@app.command()
def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its first letters are enough.")], as_json: AsJson = False
) -> None:
    """Show one decision whole: its reasons, the first to look at first, and each check beside its limits."""
    from drift.pipeline.gates import named
    from drift.wiring import gated_report as report

    show_kept(lambda conn: named(conn, id_), report.as_text, report.as_json, as_json=as_json)
