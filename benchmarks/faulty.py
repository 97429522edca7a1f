"""Faults of a serving path on real texts, each written out as it happens and not with the code that diagnoses it."""

import copy
import json
import string
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import torch
from tokenizers import Tokenizer

from benchmarks.alternatives import Vectors, normalise, quantised, rotation
from drift.encoder.load import EncoderSpec, load, locate
from drift.encoder.transformer import TransformerEncoder
from examples.demo.faults import collapsed, older_checkpoint, principal

BATCH: Final = 32


@dataclass(frozen=True, eq=False)
class ServingPath:
    """A serving path: the right encoder, an older model, and vectors of healthy traffic."""

    encoder: TransformerEncoder
    reference: Vectors
    home: Path

    @cached_property
    def older(self) -> TransformerEncoder:
        return load(EncoderSpec(model=str(older_checkpoint(locate(EncoderSpec()), self.home / "older"))))

    @cached_property
    def dynamic(self) -> torch.nn.Module:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = copy.deepcopy(self.encoder.model)
            return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def with_recipe(self, texts: Sequence[str], **changes: object) -> Vectors:
        return replace(self.encoder, recipe=replace(self.encoder.recipe, **changes)).encode(texts)

    def with_weights(self, texts: Sequence[str], change: Callable[[torch.Tensor], torch.Tensor]) -> Vectors:
        model = copy.deepcopy(self.encoder.model)
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.weight.copy_(change(layer.weight))
        return replace(self.encoder, model=model).encode(texts)

    @torch.inference_mode()
    def pooled(
        self,
        texts: Sequence[str],
        pool: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor],
        *,
        length: int = 0,
        seen: bool = False,
        layer: int = -1,
        ids: Sequence[Sequence[int]] | None = None,
        model: torch.nn.Module | None = None,
    ) -> Vectors:
        """Vectors by `pool` of states, mask and ids, in batches as they come; `seen` lets tokens attend to padding."""
        tokens = ids or self.encoder.tokenize(texts)
        pieces = []
        for start in range(0, len(tokens), BATCH):
            batch = tokens[start : start + BATCH]
            wide = max(length, *(len(row) for row in batch))
            of = torch.tensor([[*row, *[0] * (wide - len(row))] for row in batch])
            mask = torch.tensor([[1] * len(row) + [0] * (wide - len(row)) for row in batch])
            out = (model or self.encoder.model)(
                input_ids=of, attention_mask=torch.ones_like(mask) if seen else mask, output_hidden_states=True
            )
            pieces.append(pool(out.hidden_states[layer], mask[..., None].float(), of[..., None]))
        return torch.nn.functional.normalize(torch.cat(pieces)).numpy()


def mean(states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return (states * mask).sum(1) / mask.sum(1)


def mean_of_words(states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return mean(states, mask * (ids != 101) * (ids != 102), ids)


def last(states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return states[torch.arange(len(states)), mask[..., 0].sum(1).long() - 1]


def int8_rows(weight: torch.Tensor) -> torch.Tensor:
    scale = weight.abs().amax(1, keepdim=True) / 127
    return (weight / scale).round() * scale


def int4_groups(weight: torch.Tensor) -> torch.Tensor:
    parts = weight.reshape(-1, 64)
    scale = parts.abs().amax(1, keepdim=True) / 7
    return ((parts / scale).round() * scale).reshape(weight.shape)


def cased_ids(path: ServingPath, texts: Sequence[str]) -> list[list[int]]:
    parts = json.loads(path.encoder.tokenizer.backend_tokenizer.to_str())
    parts["normalizer"]["lowercase"] = False
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.no_padding()
    return [row.ids for row in tokenizer.encode_batch([text.title() for text in texts])]


def stripped(texts: Sequence[str]) -> list[str]:
    return [text.translate(str.maketrans("", "", string.punctuation)) for text in texts]


def integers(x: Vectors, reference: Vectors) -> Vectors:
    """What sentence-transformers makes of vectors as int8."""
    low, high = reference.min(0), reference.max(0)
    return np.trunc((x - low) / ((high - low) / 255) - 128).clip(-128, 127).astype(np.float32)


def zeroed(x: Vectors) -> Vectors:
    return np.where(np.arange(x.shape[1]) % 12 == 0, 0, x).astype(np.float32)


Serve = Callable[[ServingPath, list[str], Vectors, np.random.Generator], Vectors]


def on_texts(change: Callable[[str], str]) -> Serve:
    return lambda path, texts, right, rng: path.encoder.encode([change(text) for text in texts])


FAULTS: Final[Mapping[str, tuple[str, Serve]]] = {
    "not normalised": ("missing-normalisation", lambda p, t, x, r: p.with_recipe(t, normalise=False)),
    "CLS pooling": ("cls-pooling", lambda p, t, x, r: p.pooled(t, lambda s, m, i: s[:, 0])),
    "max pooling": ("max-pooling", lambda p, t, x, r: p.pooled(t, lambda s, m, i: (s - 1e4 * (1 - m)).amax(1))),
    "last-token pooling": ("last-token-pooling", lambda p, t, x, r: p.pooled(t, last)),
    "mean over pads of the batch": ("padding-pooled", lambda p, t, x, r: p.pooled(t, lambda s, m, i: s.mean(1))),
    "mean over pads to 128": ("padding-pooled", lambda p, t, x, r: p.pooled(t, lambda s, m, i: s.mean(1), length=128)),
    "no mask in the batch": ("mask-ignored", lambda p, t, x, r: p.pooled(t, mean, seen=True)),
    "no mask, to 128": ("mask-ignored", lambda p, t, x, r: p.pooled(t, mean, seen=True, length=128)),
    "no special tokens": (
        "missing-special-tokens",
        lambda p, t, x, r: p.pooled(t, mean, ids=[row[1:-1] for row in p.encoder.tokenize(t)]),
    ),
    "mean without special tokens": ("missing-special-tokens", lambda p, t, x, r: p.pooled(t, mean_of_words)),
    **{
        f"cut to {n} tokens": ("truncation", lambda p, t, x, r, n=n: p.with_recipe(t, max_length=n)) for n in (6, 8, 12)
    },
    "cut to 20 characters": ("truncation", on_texts(lambda text: text[:20])),
    '"query: "': ("prefix", on_texts(lambda text: f"query: {text}")),
    '"passage: "': ("prefix", on_texts(lambda text: f"passage: {text}")),
    "instruction": (
        "prefix",
        on_texts(lambda text: f"Represent this sentence for searching relevant passages: {text}"),
    ),
    "a prefix that nobody knows": ("unknown", on_texts(lambda text: f"user says: {text}")),
    "capitals as unknown tokens": ("tokenizer-case", lambda p, t, x, r: p.pooled(t, mean, ids=cased_ids(p, t))),
    "punctuation stripped": ("tokenizer-case", lambda p, t, x, r: p.encoder.encode(stripped(t))),
    "layer 5 of 6": ("wrong-layer", lambda p, t, x, r: p.pooled(t, mean, layer=5)),
    "int8 weights": ("quantised-weights", lambda p, t, x, r: p.with_weights(t, int8_rows)),
    "int4 weights, groups of 64": ("quantised-weights", lambda p, t, x, r: p.with_weights(t, int4_groups)),
    "PyTorch's dynamic int8": ("quantised-activations", lambda p, t, x, r: p.pooled(t, mean, model=p.dynamic)),
    "stored in 8 bits": ("quantised-storage", lambda p, t, x, r: quantised(x, 8)),
    "stored in 4 bits": ("quantised-storage", lambda p, t, x, r: quantised(x, 4)),
    "stored as signs": ("quantised-storage", lambda p, t, x, r: normalise(np.sign(x))),
    "stored as signs about the median": (
        "quantised-storage",
        lambda p, t, x, r: normalise(np.sign(x - np.median(p.reference, axis=0))),
    ),
    "stored as bits": ("quantised-storage", lambda p, t, x, r: normalise(x > 0)),
    "served as integers": ("quantised-storage", lambda p, t, x, r: integers(x, p.reference)),
    "stored in 2 decimals": ("quantised-storage", lambda p, t, x, r: np.round(x, 2)),
    "stored in 8-bit floats": (
        "quantised-storage",
        lambda p, t, x, r: torch.from_numpy(x).to(torch.float8_e5m2).float().numpy(),
    ),
    "rotated": ("rotated", lambda p, t, x, r: (x @ rotation(x.shape[1], r)).astype(np.float32)),
    "other sign": ("rotated", lambda p, t, x, r: -x),
    "negative numbers lost": ("unknown", lambda p, t, x, r: normalise(np.maximum(x, 0))),
    "averaged with the row before": ("unknown", lambda p, t, x, r: normalise(x + np.roll(x, 1, axis=0))),
    "dimensions permuted": ("permuted-dimensions", lambda p, t, x, r: x[:, r.permutation(x.shape[1])]),
    "each 12th dimension zero": ("zeroed-dimensions", lambda p, t, x, r: zeroed(x)),
    "vectors of the next row": ("id-join", lambda p, t, x, r: np.roll(x, 1, axis=0)),
    "vectors of rows elsewhere": ("id-join", lambda p, t, x, r: r.permutation(p.reference)[: len(x)]),
    "half of the dimensions": ("zeroed-dimensions", lambda p, t, x, r: normalise(x * (np.arange(x.shape[1]) < 192))),
    "small numbers lost": ("unknown", lambda p, t, x, r: normalise(np.where(np.abs(x) < 0.03, 0, x))),
    "length 2": ("missing-normalisation", lambda p, t, x, r: 2 * x),
    "one cached vector": ("constant-output", lambda p, t, x, r: np.repeat(x[:1], len(x), axis=0)),
    "collapse to 8 directions": ("dimensional-collapse", lambda p, t, x, r: collapsed(x, *principal(p.reference, 8))),
    "collapse to 64 directions": ("dimensional-collapse", lambda p, t, x, r: collapsed(x, *principal(p.reference, 64))),
    "half way to the mean": ("shrink", lambda p, t, x, r: normalise(0.5 * x + 0.5 * p.reference.mean(0))),
    "older model, known": ("other-model-version", lambda p, t, x, r: p.older.encode(t)),
    "older model, not known": ("unknown", lambda p, t, x, r: p.older.encode(t)),
    "noise in the vectors": ("unknown", lambda p, t, x, r: normalise(x + 0.02 * r.standard_normal(x.shape))),
}
"""By name: the cause that should be named first, and what is served for texts whose right vectors are given."""
