"""An encoder in another precision: fewer bits for its weights, or for what goes through its layers too."""

import warnings
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Final, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from drift.encoder.base import Encoder
from drift.encoder.quantised import TINY
from drift.encoder.transformer import TransformerEncoder
from drift.errors import EncoderError

Precision = Literal["fp32", "fp16", "bf16", "int8-weights", "int8"]
PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
"""`int8-weights` keeps the weights of linear layers in 8 bits and computes as before; `int8` computes in 8 bits too,
with a scale for each batch (PyTorch's dynamic quantisation, on a CPU)."""
FLOATS: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Int8Linear(nn.Module):
    """A linear layer whose weights are kept in 8 bits, with one scale for each output."""

    weight: Tensor
    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach()
        scale = weight.abs().amax(1, keepdim=True).clamp(min=TINY) / 127
        self.register_buffer("weight", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, x: Float[Tensor, "*n i"]) -> Float[Tensor, "*n o"]:
        """What the layer gives, up to the rounding of its weights."""
        return nn.functional.linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype), self.bias)


def in_precision(encoder: Encoder, precision: Precision) -> TransformerEncoder:
    """A copy of `encoder` in that precision, also where the processor has to emulate it.

    Raises:
        EncoderError: it is no text model that is loaded here, or `int8` is asked of one on a GPU.
    """
    if not isinstance(encoder, TransformerEncoder):
        raise EncoderError(
            f"only a text model whose weights are loaded here can be had in {precision}, this is one of "
            f'{type(encoder).__name__}: name a directory, a hub name or "bundled"'
        )
    model = deepcopy(encoder.model)
    if precision in FLOATS:
        nn.Module.to(model, FLOATS[precision])
    elif precision == "int8":
        _compute_in_int8(model)
    else:
        _keep_in_int8(model)
    return replace(encoder, model=model)


def _compute_in_int8(model: PreTrainedModel) -> None:
    if model.device.type != "cpu":
        raise EncoderError(
            f"int8 needs the model on a CPU, it is on {model.device}: hide the GPU (CUDA_VISIBLE_DEVICES=)"
        )
    with warnings.catch_warnings():
        # PyTorch announces a successor that it does not carry itself.
        warnings.simplefilter("ignore")
        quantize = torch.ao.quantization.quantize_dynamic
        quantize(model.float(), {nn.Linear}, dtype=torch.qint8, inplace=True)  # type: ignore[no-untyped-call]


def _keep_in_int8(model: PreTrainedModel) -> None:
    for parent in [*model.modules()]:
        for name, layer in parent.named_children():
            if type(layer) is nn.Linear:  # others use their weights in ways of their own
                setattr(parent, name, Int8Linear(layer))


def bytes_in_memory(model: nn.Module) -> int:
    """Bytes of the model's weights as they are held, scales and buffers included."""
    held = {tensor.data_ptr(): _bytes(tensor) for tensor in _tensors(model.state_dict())}
    return sum(held.values())


class _Counter:
    """A file that keeps nothing but its length."""

    def __init__(self) -> None:
        self.length = 0

    def write(self, data: bytes) -> int:
        self.length += len(data)
        return len(data)

    def flush(self) -> None: ...


def bytes_on_disk(model: nn.Module) -> int:
    """Bytes of a file of the model's weights, as PyTorch saves it."""
    counter = _Counter()
    torch.save(model.state_dict(), counter)  # type: ignore[arg-type]  # it writes, and does nothing else
    return counter.length


def _tensors(held: object) -> Iterator[Tensor]:
    """The tensors in a state: packed weights are tuples of them."""
    if isinstance(held, Tensor):
        yield held
    elif isinstance(held, dict):
        for part in held.values():
            yield from _tensors(part)
    elif isinstance(held, tuple):
        for part in held:
            yield from _tensors(part)


def _bytes(tensor: Tensor) -> int:
    scales = 0
    if tensor.is_quantized and tensor.qscheme() in {torch.per_channel_affine, torch.per_channel_symmetric}:
        scales = tensor.q_per_channel_scales().nbytes
    return tensor.numel() * tensor.element_size() + scales
