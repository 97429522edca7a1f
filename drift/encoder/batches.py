"""Which inputs go through the model together: as many tokens as memory takes, next to none of them padding."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
import torch
from jaxtyping import Float32
from transformers import PreTrainedModel

CPU_TOKENS: Final = 2048
"""Enough to keep a few cores' products at full speed."""
CUDA_TOKENS: Final = 131_072
"""A GPU gains nothing from more."""
SHARE: Final = 0.5
"""Of the free memory: what an estimate may claim."""
LEAST_FULL: Final = 0.9
"""A row shorter than this share of the longest would be too much padding: it begins another batch."""
SMALL: Final = 1 / 8
"""Of a batch's tokens: with fewer a call of the model costs more than padding does."""
CPU_ROWS: Final = 16
CUDA_ROWS: Final = 256
"""Inputs of one shape, such as images: so many at once at most."""
HELD: Final = 64
"""What a model of images holds at most while it computes, over what its input takes: about 20 for a ResNet."""

Input = TypeVar("Input")


def batch_end(lengths: Sequence[int], start: int, tokens: int) -> int:
    """Where the batch from `start` ends, of inputs sorted longest first: within `tokens`, or of one input."""
    longest = max(1, lengths[start])
    last = min(len(lengths), start + max(1, tokens // longest))
    early = start + max(1, int(SMALL * tokens) // longest)
    return next((end for end in range(early, last) if lengths[end] < LEAST_FULL * longest), last)


def tokens_that_fit(model: PreTrainedModel) -> int:
    """Tokens of a batch for this model where it is: from the free memory of a GPU, a constant on a CPU."""
    if model.device.type != "cuda":
        return CPU_TOKENS
    free, _ = torch.cuda.mem_get_info(model.device)
    # What torch has set aside is free for the next batch too.
    free += torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    return max(1, min(CUDA_TOKENS, int(SHARE * free) // token_bytes(model)))


def token_bytes(model: PreTrainedModel) -> int:
    """About what one token takes at most while a layer is computed: its states, and twice what lies between."""
    config = model.config
    hidden = int(config.hidden_size)
    between = int(getattr(config, "intermediate_size", None) or 4 * hidden)
    return (8 * hidden + 2 * between) * model.dtype.itemsize + 2 * hidden * torch.float32.itemsize


def rows_that_fit(device: torch.device, size: int) -> int:
    """Inputs of `size` bytes each, all of one shape, that go through a model together; a GPU's memory permitting."""
    if device.type != "cuda":
        return CPU_ROWS
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(CUDA_ROWS, int(SHARE * free) // (HELD * size)))


def in_batches(
    inputs: Sequence[Input], most: int, forward: Callable[[Sequence[Input]], Float32[np.ndarray, "n d"]]
) -> Float32[np.ndarray, "n d"]:
    """The rows that `forward` makes of at least one input, at most `most` at once; halved where memory runs out."""
    parts, start = [], 0
    while start < len(inputs):
        batch = inputs[start : start + most]
        try:
            parts.append(forward(batch))
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            most = len(batch) // 2
        else:
            start += len(batch)
    rows: Float32[np.ndarray, "n d"] = np.concatenate(parts)
    return rows
