"""The encoder with rounded weights, or with rounded activations too, as quantising toolkits make it."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from drift.encoder.transformer import TransformerEncoder

TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Rounding:
    """How a matrix is rounded: to `bits` bits, with one scale for each `group` numbers of a row.

    `group` 0 is a whole row, -1 the whole matrix. `steps` lie between 0 and the largest number where the scale is
    symmetric (127 in most toolkits, 127.5 in PyTorch), between the least and the largest where it is not.
    """

    bits: int
    steps: float
    group: int = 0
    symmetric: bool = True

    def __str__(self) -> str:
        scales = {0: "output", -1: "matrix"}.get(self.group, f"{self.group} numbers")
        return f"{self.bits}-bit weights with one {'symmetric ' if self.symmetric else ''}scale for each {scales}"


EIGHT: Final = tuple(
    Rounding(8, steps, group, symmetric)
    for group in (0, -1)
    for steps, symmetric in ((127, True), (127.5, True), (255, False))
)
FOUR: Final = tuple(
    Rounding(4, steps, group, symmetric) for group in (0, 32, 64, 128) for steps, symmetric in ((7, True), (15, False))
)
PYTORCH: Final = (Rounding(8, 127.5, -1), Rounding(8, 127.5))
"""Weights of `quantize_dynamic`, for each matrix or for each output."""


def with_rounded_weights(encoder: TransformerEncoder) -> Iterator[tuple[str, TransformerEncoder]]:
    """Copies of the encoder with the weights of its layers rounded, or of its embeddings too."""
    for rounding in (*EIGHT, *FOUR):
        yield str(rounding), replace(encoder, model=rounded_model(encoder.model, rounding, nn.Linear))
    for rounding in EIGHT:
        both = rounded_model(encoder.model, rounding, nn.Linear, nn.Embedding)
        yield f"{rounding}, embeddings too", replace(encoder, model=both)


def with_rounded_activations(encoder: TransformerEncoder) -> Iterator[tuple[str, TransformerEncoder]]:
    """Copies of the encoder with 8-bit weights whose layers round what goes into them, for each token or input.

    Toolkits take one scale for a whole batch, and which inputs it held nobody knows afterwards: these come near.
    """
    for rounding in PYTORCH:
        for steps, each in ((127, "input"), (255, "token")):
            model = rounded_model(encoder.model, rounding, nn.Linear)
            for layer in model.modules():
                if isinstance(layer, nn.Linear):
                    layer.register_forward_pre_hook(partial(_round_input, steps=steps, by_token=each == "token"))
            how = f"{steps + 1} levels of activation for each {each}, {rounding}"
            yield how, replace(encoder, model=model, batch_tokens=1)


def _round_input(_: nn.Module, inputs: tuple[Tensor, ...], *, steps: int, by_token: bool) -> tuple[Tensor, ...]:
    x = inputs[0]
    low, high = (x.amin(-1, keepdim=True), x.amax(-1, keepdim=True)) if by_token else (x.amin(), x.amax())
    low, high = low.clamp(max=0), high.clamp(min=0)
    return (on_grid(x, low, (high - low) / steps), *inputs[1:])


def rounded_model(model: PreTrainedModel, rounding: Rounding, *kinds: type[nn.Module]) -> PreTrainedModel:
    """A copy of `model` whose layers of `kinds` have rounded weights."""
    copy = deepcopy(model)
    with torch.no_grad():
        for layer in copy.modules():
            if isinstance(layer, kinds) and isinstance(layer.weight, Tensor):
                layer.weight.copy_(rounded(layer.weight, rounding))
    return copy


def rounded(weight: Float[Tensor, "o i"], rounding: Rounding) -> Float[Tensor, "o i"]:
    """`weight` as it comes back; unchanged where its rows cannot be cut into such groups."""
    size = {0: weight.shape[1], -1: weight.numel()}.get(rounding.group, rounding.group)
    if weight.numel() % size:
        return weight
    parts = weight.float().reshape(-1, size)
    if rounding.symmetric:
        scale = (parts.abs().amax(1, keepdim=True) / rounding.steps).clamp(min=TINY)
        back = torch.round(parts / scale).clamp(max=2 ** (rounding.bits - 1) - 1) * scale
    else:
        low = parts.amin(1, keepdim=True)
        back = on_grid(parts, low, (parts.amax(1, keepdim=True) - low) / rounding.steps)
    return back.reshape(weight.shape).to(weight.dtype)


def on_grid(x: Tensor, low: Tensor, step: Tensor) -> Tensor:
    """`x` rounded to whole steps, of which a whole number lies between zero and `low`."""
    step = step.clamp(min=TINY)
    zero = torch.round(low / step)
    return (torch.round(x / step - zero) + zero) * step
