"""Where two models differ: in the weights of a layer, or in what their tokenizers make of capitals."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from drift.encoder.transformer import UNUSED_WEIGHTS, TransformerEncoder

LAYER: Final = re.compile(r"^(.*?\.\d+)\.")
ALIKE: Final = 0.5
"""Cosine of two layers' weights: a fine-tuned layer keeps nearly 1, one that is drawn anew has about 0."""


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """A layer that both models have, by its name, and the cosine of its weights in one to those in the other."""

    name: str
    cosine: float


def unlike_layers(a: TransformerEncoder, b: TransformerEncoder) -> tuple[Layer, ...]:
    """The layers of one shape whose weights in `a` and `b` are unlike, in the models' order.

    Empty where all are alike, and where none are: these are two models, and not one with a layer gone.
    """
    sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros(3, dtype=torch.float64))
    others = b.model.state_dict()
    for name, weight in a.model.state_dict().items():
        other = others.get(name)
        # Weights of fewer bits are kept as something else, or under another name.
        if not (isinstance(other, Tensor) and isinstance(weight, Tensor) and other.is_floating_point()):
            continue
        if weight.dtype is torch.int8 or weight.ndim < 2 or other.shape != weight.shape:
            continue
        if name.startswith(UNUSED_WEIGHTS):
            continue
        x, y = (tensor.detach().cpu().double().flatten() for tensor in (weight, other))
        found = LAYER.match(name)
        sums[found[1] if found else name] += torch.stack([x @ y, x @ x, y @ y])
    layers = [Layer(name, float(xy / (xx * yy).sqrt().clamp(min=1e-30))) for name, (xy, xx, yy) in sums.items()]
    unlike = tuple(layer for layer in layers if layer.cosine < ALIKE)
    return unlike if len(unlike) <= len(layers) / 2 else ()


def alike_in_capitals(a: TransformerEncoder, b: TransformerEncoder, texts: Sequence[str]) -> float | None:
    """Of the texts that both tokenizers cut alike as they are, the share that they cut alike in capitals.

    None where there are none, and where the vocabularies differ: these are two models.
    """
    if a.tokenizer.get_vocab() != b.tokenizer.get_vocab():
        return None
    alike = [text for text, x, y in zip(texts, a.tokenize(texts), b.tokenize(texts), strict=True) if x == y]
    if not alike:
        return None
    capitals = [text.upper() for text in alike]
    same = [x == y for x, y in zip(a.tokenize(capitals), b.tokenize(capitals), strict=True)]
    return sum(same) / len(same)
