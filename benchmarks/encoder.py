"""The bundled encoder beside sentence-transformers, on short texts and on a long-tailed mix of lengths.

`python -m benchmarks.encoder` prints a table. Texts are CLINC150 (`DRIFT_CLINC150` names the file), and about as many
tokens of it strung together to log-normal lengths. Both sides are processes that stay, with as many threads as they
find; they take turns, and medians count. In float32 sentence-transformers is run at each of `BATCHES`, and the best
counts; its environment is `.drift/peers/sentence-transformers` (`--peer-python` names another one). Ratios are to its
best in float32, and so are errors. "computed" is the type that did: float32 on a CPU that is slower in bfloat16.
"GPU" is the share of time in which it ran kernels, by NVML, while the same texts were encoded over and over for `BUSY`
seconds after all that is timed; empty on a CPU, and where NVML does not say.
"""

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from rich.table import Table

from benchmarks import million
from benchmarks.peers import peer_python
from benchmarks.worlds import DATA
from drift.cli.common import tables
from drift.encoder.cache import PIECE
from drift.encoder.gpu import Gpu
from drift.encoder.load import bundled

PEER, OURS = "sentence-transformers", "ours"
BATCHES = (16, 32, 64, 128)
DEFAULT = 32
BUSY = 2.5
"""Two of NVML's longest sample periods and a half: the last that is over has nothing else in it."""
PIECES = 4
"""Texts of the mix are about this many queries long, most of them shorter."""

LEFT = {"texts", "who", "asked", "computed"}

Setting = tuple[str, str, int]
"""Who, the type that is asked for, and the batch size of the peer."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one setting gave on some texts; `error` is the largest 1 - cosine to the peer in float32.

    `gpu` is the share of time in which the GPU ran kernels; None where that is unknown.
    """

    texts: str
    who: str
    asked: str
    computed: str
    batch: int
    device: str
    rows_per_second: float
    ratio: float
    error: float
    tokenizing: float
    gpu: float | None


class Side:
    """An encoder in a process of its own."""

    def __init__(self, who: str, command: list[str | Path]) -> None:
        self._process = subprocess.Popen(
            [*command, who, bundled()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )

    def ask(self, texts: Path, vectors: Path, setting: Setting, more: float = 0) -> tuple[float, float, str, str]:
        """Seconds, seconds for tokenizing, the type that computed, the device; it encodes for `more` seconds after."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps([str(texts), str(vectors), *setting[1:], more]), file=self._process.stdin, flush=True)
        seconds, tokenizing, computed, device = json.loads(self._process.stdout.readline())
        return seconds, tokenizing, computed, device

    def busy(self, texts: Path, vectors: Path, setting: Setting) -> float | None:
        """How busy the GPU is while it encodes, in [0, 1]; None where NVML does not say."""
        self.ask(texts, vectors, setting, BUSY)
        return Gpu(torch.device("cuda", 0)).utilisation  # NVML counts all processes: this one can ask for any

    def close(self) -> None:
        self._process.communicate()


def corpora(data: Path, count: int) -> dict[str, list[str]]:
    """The texts, short ones and about as many tokens in a mix of lengths."""
    with gzip.open(data, "rt") as file:
        found = [row["text"] for row in csv.DictReader(file)]
    rng = np.random.default_rng(150)
    lengths = np.clip(rng.lognormal(np.log(PIECES) - 0.7, 1.2, count // PIECES), 1, 60).round().astype(int)
    mixed = [". ".join(found[i] for i in rng.integers(len(found), size=n)) for n in lengths]
    return {"CLINC150": [found[i] for i in rng.permutation(len(found))[:count]], "mix of lengths": mixed}


def measured(name: str, texts: list[str], sides: dict[str, Side], runs: int) -> list[Line]:
    """Ours in both types, the peer's best in float32, and what it makes of bfloat16."""
    settings: list[Setting] = [(OURS, "float32", 0), (OURS, "bfloat16", 0)]
    settings += [*((PEER, "float32", batch) for batch in BATCHES), (PEER, "bfloat16", DEFAULT)]
    answers: dict[Setting, list[tuple[float, float, str, str]]] = {setting: [] for setting in settings}
    vectors = {}
    with TemporaryDirectory(prefix="drift-bench-") as folder:
        file, out = Path(folder) / "texts.json", Path(folder) / "vectors.npy"
        file.write_text(json.dumps(texts))
        for _ in range(runs):
            for setting in settings:
                answers[setting].append(sides[setting[0]].ask(file, out, setting))
                vectors[setting] = unit(np.load(out))
        seconds = {setting: float(np.median([answer[0] for answer in found])) for setting, found in answers.items()}
        best = [
            min((s for s in settings if s[:2] == (who, dtype)), key=seconds.__getitem__)
            for dtype in ("float32", "bfloat16")
            for who in (OURS, PEER)
        ]
        busy = {s: sides[s[0]].busy(file, out, s) for s in best if answers[s][0][3] == "cuda"}
    base = best[1]
    return [
        Line(
            name,
            *s[:2],
            computed=answers[s][0][2],
            batch=s[2],
            device=answers[s][0][3],
            rows_per_second=len(texts) / seconds[s],
            ratio=seconds[base] / seconds[s],
            error=float(1 - (vectors[s] * vectors[base]).sum(1).min()),
            tokenizing=float(np.median([answer[1] / answer[0] for answer in answers[s]])),
            gpu=busy.get(s),
        )
        for s in best
    ]


def unit(vectors: np.ndarray) -> np.ndarray:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


def table(found: list[Line], texts: int) -> Table:
    """The lines, for people; `texts` is how many short ones there were."""
    out = Table(title=f"the bundled encoder on {found[0].device}, {texts} short texts and their tokens in a mix")
    for name in ("texts", "who", "asked", "computed", "batch", "rows/s", "ratio", "1 - cosine", "tokenizing", "GPU"):
        out.add_column(name, justify="left" if name in LEFT else "right", no_wrap=True)
    for of in found:
        speed = f"{of.rows_per_second:,.0f}", f"{of.ratio:.2f}"
        shares = f"{of.tokenizing:.1%}" if of.who == OURS else "", "" if of.gpu is None else f"{of.gpu:.0%}"
        out.add_row(of.texts, of.who, of.asked, of.computed, str(of.batch or ""), *speed, f"{of.error:.1e}", *shares)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", type=Path, help="the Python of an environment with sentence-transformers")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--million", action="store_true", help="time of a million short texts, killed and resumed")
    args = parser.parse_args()
    if args.million:
        million.main(max(args.texts, 2 * PIECE))
        return
    theirs = [args.peer_python or peer_python(PEER), Path(__file__).with_name("one_encoder.py")]
    sides = {OURS: Side(OURS, [sys.executable, "-m", "benchmarks.one_encoder"]), PEER: Side(PEER, theirs)}
    texts = corpora(Path(os.environ.get("DRIFT_CLINC150", DATA)), args.texts)
    found = [line for name, some in texts.items() for line in measured(name, some, sides, args.runs)]
    for side in sides.values():
        side.close()
    if args.json:
        print(json.dumps([asdict(line) for line in found], indent=2))
        return
    tables().print(table(found, args.texts))


if __name__ == "__main__":
    main()
