"""Commands about objectives: what they would do, what they would have done, and other words for them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from drift.cli.common import DEFAULT, AsJson, ConfigPath, told

app = typer.Typer(no_args_is_help=True, help="Objectives: try one out before it pages anybody.")

SloFile = Annotated[Path | None, typer.Option("--slo", metavar="FILE", help="An objective in a file of its own.")]
Target = Annotated[str, typer.Option(help="Share of good slots that is promised, such as 0.95.")]
Period = Annotated[str, typer.Option(help="Over how long it is promised, such as 30d.")]
Interval = Annotated[str, typer.Option(help="Length of a slot, such as 5m.")]
Alpha = Annotated[str, typer.Option(help="Share of slots that are bad by chance, such as 0.01.")]
Force = Annotated[bool, typer.Option("--force", help="Go on with an objective that could not work.")]


@app.command()
def simulate(
    sequence: Annotated[str, typer.Option(help="The slots: `B*9,M*13,(B*7,G*33)*6,G*50`.")],
    slo: SloFile = None,
    target: Target = "",
    period: Period = "",
    interval: Interval = "",
    alpha: Alpha = "",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say which alerts an objective would raise, and when, in a made-up sequence of slots.

    In a sequence B is a bad slot, G a good one, M one without data, I one with too few rows for a verdict, and S one
    of planned maintenance; `*` repeats a letter or a group. Before it all was good. Where the objective counts events
    (`budgeting_method: Occurrences`) `3/256` is a slot with 3 bad ones of 256, and B and G have one. Without `--slo`
    the objective promises 0.95 over 30d in slots of 5m, with the default rules; options replace what a file says.
    Times count from the beginning: slot i ends at i intervals. **Exit status**: 0; 1 for an objective that could not
    work (unless `--force`), or a sequence that cannot be read.
    """
    from drift.wiring.simulate import Terms, require_sound, story

    with told():
        objective = Terms(slo, target, period, interval, alpha).policy().slo()
        if not force:
            require_sound(objective)
        found = story(objective, sequence)
        if as_json:
            typer.echo(json.dumps(found.as_json(), indent=2))
        else:
            Console(highlight=False).print(found.as_text())


@app.command()
def backtest(
    slo: SloFile = None,
    stream: Annotated[str, typer.Option(help="Only this stream, or segment.")] = "",
    objective: Annotated[str, typer.Option(help="Only this objective.")] = "",
    since: Annotated[datetime | None, typer.Option(help="UTC; by default 30 days before the end.")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC; by default now.")] = None,
    config: Annotated[Path, typer.Option(help="Where objectives are declared, used without `--slo`.")] = DEFAULT,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say which alerts recorded history would have had, beside those that it did have.

    Verdicts are those on record; target, period, rules and alpha are those of the configuration as it is now, or of
    `--slo FILE`. **Exit status**: 0, whatever would have fired; 1 for an objective that could not work (unless
    `--force`), or where nothing is on record.
    """
    from drift.config import load, read_settings
    from drift.config.policy import load_policy
    from drift.wiring.backtest import Request, as_text
    from drift.wiring.backtest import backtest as test
    from drift.wiring.build import clock
    from drift.wiring.database import migrated

    with told():
        end = clock() if until is None else until.replace(tzinfo=UTC)
        start = end - timedelta(days=30) if since is None else since.replace(tzinfo=UTC)
        policy = None if slo is None else load_policy(slo)
        declared = load(config) if policy is None else None
        wanted = Request(start, end, stream, objective, policy, declared, force)
        with migrated(read_settings()) as found, found.engine.connect() as conn:
            past = test(conn, wanted)
        if as_json:
            typer.echo(json.dumps([one.as_json() for one in past], indent=2))
        else:
            Console(highlight=False, soft_wrap=True).print(as_text(past))


@app.command("export")
def export_(config: ConfigPath = DEFAULT) -> None:
    """Print the objectives of a configuration as OpenSLO v1 documents, one for each stream.

    What OpenSLO has no words for is in annotations (`drift/…`): its alert conditions have one look-back each.
    **Exit status**: 0; 1 for a file that would not work, or slots that are no whole minutes.
    """
    from drift.config import load
    from drift.wiring.openslo import written

    with told():
        typer.echo(written(load(config)), nl=False)


@app.command("import")
def import_(file: Annotated[Path, typer.Argument(help="OpenSLO v1 documents; those of kind SLO are read.")]) -> None:
    """Print OpenSLO v1 SLOs as the `slos` of a configuration.

    Their indicators must be of `drift`: a `thresholdMetric` with `metricSource: {type: drift, spec: {detector: …}}`.
    **Exit status**: 0; 1 for documents that say what drift does not.
    """
    from drift.wiring.openslo import read_back

    with told():
        typer.echo(read_back(file), nl=False)
