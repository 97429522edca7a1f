"""From the vectors of an input's tokens to one, as sentence-transformers has it."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drift.encoder.fingerprint import Pooling

States = Float[Tensor, "n t d"]
Mask = Int[Tensor, "n t"]


def pool(states: States, mask: Mask, pooling: Pooling) -> Float[Tensor, "n d"]:
    """One vector per input from those of its tokens, which lie on the left; padding does not count.

    Finite where an input has no token at all, as decoders' tokenizers make of an empty text.
    """
    real = mask.unsqueeze(2).to(states.dtype)
    match pooling:
        case Pooling.CLS:
            return states[:, 0]
        case Pooling.MAX:
            return states.masked_fill(real == 0, -torch.inf).amax(1).nan_to_num(neginf=0.0)
        case Pooling.LAST:
            every = torch.arange(len(states), device=states.device)
            return states[every, (mask.sum(1) - 1).clamp(min=0)]
        case Pooling.MEAN:
            weights = real
        case Pooling.MEAN_SQRT_LENGTH:
            return (states * real).sum(1) / real.sum(1).clamp(min=1e-9).sqrt()
        case Pooling.WEIGHTED_MEAN:
            weights = real * torch.arange(1, states.shape[1] + 1, device=states.device)[None, :, None]
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
