"""A million short texts through the bundled encoder: how long, how much memory, and what a kill costs.

`python -m benchmarks.encoder --million` encodes a part of them in a process of its own, kills it with SIGKILL once a
piece is kept, lets another process go on, and says what a million would take at the pace of both.
"""

import csv
import gzip
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch

from benchmarks.worlds import DATA
from drift.encoder.cache import PIECE, CachedEncoder
from drift.encoder.load import EncoderSpec, load

MILLION: Final = 1_000_000
FLOAT: Final = 4
MEBI: Final = 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """What one process said at its end: inputs that it encoded itself, in so many seconds, and memory in bytes.

    `loaded` is the memory once the model was there, `most` the most that the process ever had.
    """

    device: str
    encoded: int
    seconds: float
    loaded: int
    most: int
    dim: int


def main(texts: int) -> None:
    """Encode `texts` texts in two processes, and print what came of it."""
    with TemporaryDirectory(prefix="drift-bench-") as name:
        file = Path(name) / "embeddings.sqlite"
        begun = time.perf_counter()
        first = _process(file, texts)
        assert first.stdout
        first.stdout.readline()  # told once the first piece is in the file
        first.kill()
        first.wait()
        lost = time.perf_counter() - begun
        print(
            f"killed with SIGKILL after {lost:.0f} s, once a piece of {PIECE} texts was kept; another process goes on"
        )
        second = _process(file, texts)
        out, _ = second.communicate()
        part = Part(**json.loads(out.splitlines()[-1]))
    kept = texts - part.encoded
    print(f"of {texts} texts it found {kept} and encoded {part.encoded}, in {part.seconds:.0f} s on the {part.device}")
    rate = part.encoded / part.seconds
    print(f"{rate:.1f} texts a second: a million in {MILLION / rate / 3600:.1f} h (extrapolated)")
    print(
        f"memory: {part.loaded / MEBI:.0f} MiB with the model, {part.most / MEBI:.0f} MiB at most for {texts} texts; "
        f"the vectors lie in a file, as those of a million do, of {MILLION * part.dim * FLOAT / MEBI:.0f} MiB"
    )


def _process(file: Path, texts: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "benchmarks.million", str(file), str(texts)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def encode(file: Path, count: int) -> None:
    """Encode `count` texts into `file`, telling of each piece, then of the whole."""
    with gzip.open(os.environ.get("DRIFT_CLINC150", DATA), "rt") as opened:
        known = [row["text"] for row in csv.DictReader(opened)]
    texts = [known[i % len(known)] + (f" {i // len(known)}" if i >= len(known) else "") for i in range(count)]
    encoder = CachedEncoder(load(EncoderSpec()), file, held=0)
    loaded = _most()
    for start in range(0, count, PIECE):
        encoder.encode(texts[start : start + PIECE])
        print(start + PIECE, flush=True)
    encoder.encode(texts)  # the whole at once, as a reference is: from the file
    device = "GPU" if torch.cuda.is_available() else "CPU"
    meter = encoder.meter
    said = {"device": device, "encoded": meter.inputs, "seconds": meter.seconds, "dim": encoder.dim}
    print(json.dumps({**said, "loaded": loaded, "most": _most()}))


def _most() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    encode(Path(sys.argv[1]), int(sys.argv[2]))
