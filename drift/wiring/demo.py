"""The example, whole: its files, its receiver, its traffic and the service, started and stopped together."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from string import Template
from typing import Final

from rich.console import Console
from rich.progress import track

from collectors.parquet import ParquetCollector
from drift.config import Config, Settings, load
from drift.config.values import parse_duration
from drift.errors import ConfigError, DriftError
from drift.notify.signature import generate_secret
from drift.scheduler import Service
from drift.store import reads
from drift.store.connect import Engine
from drift.wiring.build import build_service
from drift.wiring.database import hosted
from drift.wiring.logs import configure
from drift.wiring.processes import beside, require_free
from drift.wiring.replay import plan, replay
from drift.wiring.run import beside_dashboard, serve
from drift.wiring.strangers import require_sign_in, require_tokens

_PACKAGE: Final = Path(__file__).resolve().parents[1]
HISTORY_WINDOW: Final = parse_duration("4h")
FAULTS: Final = (
    *("data-shift", "truncation", "missing-normalisation", "quantisation", "collapse", "stale-model"),
    *("none", "script"),
)
console: Final = Console()


def demo(fault: str, settings: Settings, *, with_history: bool) -> None:
    """Run the example until Ctrl-C.

    Raises:
        DriftError: a fault of no known name, a port that is taken, or a database that cannot be started.
    """
    if fault not in FAULTS:
        raise ConfigError(f"fault {fault!r} is not known; known are: {', '.join(FAULTS)}")
    home = (settings.home / "demo").resolve()
    home.mkdir(parents=True, exist_ok=True)
    settings = settings.model_copy(update={"home": settings.home.resolve()})
    receiver = settings.dashboard_port + 1
    ports = {"DRIFT_PORT": settings.port, "DRIFT_DASHBOARD_PORT": settings.dashboard_port}
    require_free(settings.host, {**ports, "DRIFT_DASHBOARD_PORT (the receiver has the port after it)": receiver})
    variables = {name: str(port) for name, port in ports.items()} | {
        "DRIFT_DEMO_HOME": str(home),
        "DRIFT_DEMO_RECEIVER_PORT": str(receiver),
    }
    secret = {"DRIFT_DEMO_SECRET": _secret(home / "secret")}
    package, root = _examples()
    path = filled(root / package.replace(".", "/") / "drift.yaml", variables, home / "drift.yaml")
    config = _configuration(path, settings)
    with ExitStack() as running:
        log = running.enter_context((home / "service.log").open("a", encoding="utf-8"))
        run = [sys.executable, "-m"]
        running.enter_context(beside([*run, f"{package}.receiver", str(receiver)], secret, cwd=root, log=None))
        found = running.enter_context(hosted(settings))
        prepare = [*run, f"{package}.prepare"]
        with console.status("collecting documentation strings"):
            _finish(_start([*prepare, "reference", str(home)], root))
        past = None if not with_history or _has_begun(found.engine) else _start([*prepare, "history", str(home)], root)
        configure(settings, log)
        with console.status("encoding the reference, and three weeks of documents"):
            # The reference is encoded while the past is still being written.
            service = build_service(config, found.engine, settings.home)
            if past:
                _finish(past)
        if past:
            _replay(service, home / "history.parquet")
        url = f"http://{settings.host}:{settings.port}"
        traffic = [*run, f"{package}.traffic", str(home), url, fault]
        running.enter_context(beside(traffic, {}, cwd=root, log=None))
        running.enter_context(beside_dashboard(found, path, settings, log=log))
        _say_where(settings, home)
        serve(service, settings)


def filled(template: Path, variables: Mapping[str, str], path: Path) -> Path:
    """`template` with `variables` put in, at `path`: commands that the dashboard names are run where none is set."""
    # What JSON escapes in a text, YAML reads within double quotes.
    quoted = {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in variables.items()}
    path.write_text(Template(template.read_text(encoding="utf-8")).substitute(quoted), encoding="utf-8")
    return path


def _configuration(path: Path, settings: Settings) -> Config:
    config = load(path)
    require_sign_in(config, settings)
    require_tokens(config, settings)
    return config


def _examples() -> tuple[str, Path]:
    """The example's package, and the folder that it is found from: inside the wheel, else in the checkout."""
    for package, root in (("drift.examples.demo", _PACKAGE.parent), ("examples.demo", _PACKAGE.parent)):
        if (root / package.replace(".", "/") / "drift.yaml").is_file():
            return package, root
    raise DriftError(f"the example is not beside {_PACKAGE}: install drift again")


def _secret(path: Path) -> str:
    """The webhook's secret, made at the first start."""
    if not path.is_file():
        half = path.with_suffix(".half")
        half.touch(mode=0o600)
        half.write_text(generate_secret().text, encoding="utf-8")
        half.rename(path)
    return path.read_text(encoding="utf-8")


def _start(command: list[str], root: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, cwd=root)


def _finish(process: "subprocess.Popen[bytes]") -> None:
    if process.wait():
        raise DriftError("the example's files could not be written: see above")


def _has_begun(engine: Engine) -> bool:
    with engine.connect() as conn:
        return bool(reads.latest_budgets(conn))


def _replay(service: Service, history: Path) -> None:
    """Measure the past before the present begins."""
    wanted = plan(ParquetCollector(history), HISTORY_WINDOW, None, None)
    (monitor,) = service.monitors.values()
    with service.engine.begin() as conn:
        steps = replay(conn, monitor, wanted)
        for _ in track(steps, "replaying three weeks of history", total=len(wanted.spans()), console=console):
            pass


def _say_where(settings: Settings, home: Path) -> None:
    base = f"http://{settings.host}"
    console.print(f"\n[bold]dashboard[/bold]  {base}:{settings.dashboard_port}")
    console.print(f"[bold]API[/bold]        {base}:{settings.port}/docs")
    console.print(f"[bold]metrics[/bold]    {base}:{settings.port}/metrics")
    console.print(f"[bold]log[/bold]        {home / 'service.log'}")
    console.print("[dim]pages and retrain requests are printed here as they arrive; Ctrl-C stops everything[/dim]\n")
