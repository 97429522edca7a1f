"""One encoder in a process of its own: `one_encoder.py WHO MODEL`, where WHO is `ours` or the peer.

Reads a job a line, a list of JSON `[texts, vectors, dtype, batch, more]`: encodes the JSON list in the file `texts` and
saves the vectors as `.npy`, then encodes it over and over for `more` seconds. Answers with a line of JSON: the seconds,
those of them for tokenizing alone (ours; else 0), the type that computed, and the device. What is only loaded when
first used does not count.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

Encode = Callable[[Sequence[str]], np.ndarray]
Tokenize = Callable[[Sequence[str]], object]


@cache
def ours(model: str, dtype: str) -> tuple[Encode, Tokenize, str, str]:
    from drift.encoder.load import EncoderSpec, load

    encoder = load(EncoderSpec(model, dtype="bfloat16" if dtype == "bfloat16" else "float32"))
    return encoder.encode, encoder.tokenize, encoder.parts.dtype, encoder.parts.device


@cache
def peer(model: str, dtype: str, batch: int) -> tuple[Encode, Tokenize, str, str]:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(model, model_kwargs={"dtype": dtype})

    def encode(texts: Sequence[str]) -> np.ndarray:
        found = encoder.encode(list(texts), batch_size=batch, show_progress_bar=False, convert_to_tensor=True)
        return found.float().cpu().numpy()

    return encode, lambda _: None, dtype, encoder.device.type


def main(who: str, model: str) -> None:
    warnings.simplefilter("ignore")
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the libraries print; only answers may stand there
    for line in sys.stdin:
        file, vectors, dtype, batch, more = json.loads(line)
        texts = json.loads(Path(file).read_text())
        encode, tokenize, computed, device = ours(model, dtype) if who == "ours" else peer(model, dtype, batch)
        encode(texts[:64])
        start = time.perf_counter()
        found = encode(texts)
        encoded = time.perf_counter()
        tokenize(texts)
        tokenized = time.perf_counter()
        np.save(vectors, found)
        until = time.perf_counter() + more
        while time.perf_counter() < until:
            encode(texts)
        print(json.dumps([encoded - start, tokenized - encoded, computed, device]), file=answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
