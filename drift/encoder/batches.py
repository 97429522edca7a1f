"""Which inputs go through the model together: as many tokens as memory takes, next to none of them padding."""

from collections.abc import Sequence
from typing import Final

import torch
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
