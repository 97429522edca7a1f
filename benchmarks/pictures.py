"""Which picture of a reference in the plane to fit, on CLINC150: `python -m benchmarks.pictures` prints a table.

The reference has queries of nine domains; new rows are other queries of the same domains, and what it has none of: the
tenth domain, and queries that are out of scope. Columns: trustworthiness (Venna and Kaski, 2001; 15 neighbours) of the
reference's rows among themselves, and of new rows of the same domains among the reference's; then how well rows that
are unlike the reference are seen apart: of the 15 points nearest to such a row in the picture, the share that is of
its kind (first in all dimensions, for comparison). Pictures are fitted to the reference alone, and new rows are placed
by `drift.picture` or, where it says so, by the library itself. PaCMAP takes part where it is installed
(`pip install pacmap`), and by default only there.
"""

import argparse
import csv
import gzip
import importlib.util
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.worlds import DATA, GROWING
from drift.picture import NEIGHBOURS, Fitted
from drift.wiring.picture_fit import SEED

HOME: Final = Path(".drift")
FRESH, UNKNOWN = 600, 200
OUT: Final = "oos"

Rows = np.ndarray
Place = Callable[[Rows], Rows]
"""Where new rows lie."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A reference, new rows like it, and by name such that are not."""

    reference: Rows
    fresh: Rows
    unlike: dict[str, Rows]


@dataclass(frozen=True, slots=True)
class Line:
    """What one way of making pictures gave."""

    name: str
    reference: float
    fresh: float
    apart: tuple[float, ...]
    fit: float
    placing: float


def world(rows: int, home: Path) -> World:
    """CLINC150 under the bundled encoder, with a reference of `rows` queries; in `home` once it was encoded."""
    cache = home / f"pictures-{rows}.npz"
    if not cache.exists():
        from drift.encoder.load import EncoderSpec, load

        with gzip.open(Path(os.environ.get("DRIFT_CLINC150", DATA)), "rt") as file:
            found = list(csv.DictReader(file))
        found = [found[i] for i in np.random.default_rng(7).permutation(len(found))]
        kinds = {name: [row["text"] for row in found if row["domain"] == name][:UNKNOWN] for name in (GROWING, OUT)}
        kinds["known"] = [row["text"] for row in found if row["domain"] not in kinds][: rows + FRESH]
        encoder = load(EncoderSpec())
        vectors = {name: encoder.encode(texts) for name, texts in kinds.items()}
        home.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **vectors)
    with np.load(cache) as held:
        return World(held["known"][:-FRESH], held["known"][-FRESH:], {GROWING: held[GROWING], OUT: held[OUT]})


def squares(x: Rows, y: Rows) -> Rows:
    return (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T


def trust(high: Rows, low: Rows) -> float:
    """Trustworthiness from squared distances (queries by rows) in all dimensions, and in two; inf where not counted."""
    k, among = NEIGHBOURS, int(np.isfinite(high[0]).sum())
    ranks = high.argsort(1).argsort(1) + 1
    near = low.argsort(1)[:, :k]
    beyond = np.maximum(np.take_along_axis(ranks, near, axis=1) - k, 0)
    return float(1 - 2 * beyond.sum() / (len(high) * k * (2 * among - 3 * k + 1)))


def apart(unlike: Rows, others: Rows) -> float:
    """Of the points nearest to each row of `unlike`, the share that is of it too."""
    found = squares(unlike, np.concatenate([unlike, others]))
    np.fill_diagonal(found, np.inf)
    return float((found.argsort(1)[:, :NEIGHBOURS] < len(unlike)).mean())


def line(name: str, w: World, places: Rows, place: Place, fit: float) -> Line:
    began = time.perf_counter()
    fresh, unlike = place(w.fresh), [place(rows) for rows in w.unlike.values()]
    placing = time.perf_counter() - began
    own, own_low = squares(w.reference, w.reference), squares(places, places)
    for found in (own, own_low):
        np.fill_diagonal(found, np.inf)
    known = np.concatenate([places, fresh])
    return Line(
        name,
        trust(own, own_low),
        trust(squares(w.fresh, w.reference), squares(fresh, places)),
        tuple(apart(rows, known) for rows in unlike),
        fit,
        placing,
    )


def lines(w: World, peers: set[str]) -> "list[Line]":
    """Each way in turn; the libraries' own ways of placing last, since they compile for a minute."""
    own = {name: apart(rows, np.concatenate([w.reference, w.fresh])) for name, rows in w.unlike.items()}
    found = [Line("all dimensions", 1, 1, tuple(own.values()), 0, 0)]
    centre = w.reference.mean(0)
    began = time.perf_counter()
    axes = np.linalg.svd(w.reference - centre, full_matrices=False)[2][:2].T
    passed = time.perf_counter() - began
    found.append(line("PCA", w, (w.reference - centre) @ axes, lambda x: (x - centre) @ axes, passed))
    for name, make in MAKERS.items():
        if name not in peers:
            continue
        began = time.perf_counter()
        places, theirs = make(w.reference)
        passed = time.perf_counter() - began
        Console(stderr=True).print(f"{name}: {passed:.0f} s")
        fitted = Fitted.of(w.reference, places.astype(np.float32))
        found.append(line(name, w, places, fitted.place, passed))
        if theirs is not None:
            found.append(line(f"{name}, placed by the library", w, places, theirs, passed))
    return found


def umap(x: Rows) -> tuple[Rows, Place | None]:
    from umap import UMAP

    model = UMAP(n_neighbors=NEIGHBOURS, random_state=SEED, n_jobs=1)
    return model.fit_transform(x), model.transform


def densmap(x: Rows) -> tuple[Rows, Place | None]:
    from umap import UMAP

    return UMAP(n_neighbors=NEIGHBOURS, random_state=SEED, n_jobs=1, densmap=True).fit_transform(x), None


def pacmap(x: Rows) -> tuple[Rows, Place | None]:
    from pacmap import PaCMAP

    model = PaCMAP(n_neighbors=NEIGHBOURS, random_state=SEED)
    return model.fit_transform(x), lambda rows: model.transform(rows, basis=x)


MAKERS: Final = {"UMAP": umap, "densMAP": densmap, "PaCMAP": pacmap}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=3000)
    there = [name for name in MAKERS if name != "PaCMAP" or importlib.util.find_spec("pacmap")]
    parser.add_argument("--methods", nargs="*", choices=list(MAKERS), default=there)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", module="umap|pacmap|sklearn|numba")
    w = world(asked.rows, HOME)
    table = Table(title=f"{len(w.reference):,} rows of a reference in the plane, load {os.getloadavg()[0]:.0f}")
    names = [f"apart: {name}" for name in w.unlike]
    for column in ("", "trust", "trust of new rows", *names, "s to fit", "s to place"):
        table.add_column(column, justify="left" if not column else "right")
    for one in lines(w, set(asked.methods)):
        apart_by = [f"{share:.2f}" for share in one.apart]
        shown = (f"{one.reference:.3f}", f"{one.fresh:.3f}", *apart_by, f"{one.fit:.1f}", f"{one.placing:.1f}")
        table.add_row(one.name, *shown)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
