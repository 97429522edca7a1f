"""What else could have been made of one forward pass: other poolings, other layers, padding that counts."""

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from drift.encoder.fingerprint import Pooling
from drift.encoder.pooling import pool
from drift.encoder.transformer import TransformerEncoder, padded

PIECE: Final = 8
"""Inputs at once: all layers of them are held."""
PADDED: Final = (16, 32, 64, 128, 256, 512)
"""Lengths to which serving stacks pad by default."""
MOST_LENGTHS: Final = 24
SLUGS: Final[Mapping[Pooling, str]] = {
    Pooling.MEAN: "mean-pooling",
    Pooling.CLS: "cls-pooling",
    Pooling.MAX: "max-pooling",
    Pooling.LAST: "last-token-pooling",
}

Tokens = Sequence[Sequence[int]]
Vectors = Float[Tensor, "n d"]
Choices = Float[Tensor, "n c d"]


@torch.inference_mode()
def pooled(encoder: TransformerEncoder, tokens: Tokens) -> dict[tuple[str, str], Vectors]:
    """Vectors by the slug of the fault and how it came about, not normalised: each pooling and layer but the right."""
    found: dict[tuple[str, str], list[Vectors]] = {}
    for start in range(0, len(tokens), PIECE):
        for name, vectors in _pooled(encoder, tokens[start : start + PIECE]).items():
            found.setdefault(name, []).append(vectors)
    return {name: torch.cat(pieces) for name, pieces in found.items()}


def _pooled(encoder: TransformerEncoder, tokens: Tokens) -> dict[tuple[str, str], Vectors]:
    ids, mask = on_device(encoder, tokens)
    with encoder.autocast():
        out = encoder.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    layers = [layer.float() for layer in out.hidden_states]
    own, last = encoder.recipe.pooling, layers[-1]
    inner = mask * ~torch.isin(ids, torch.tensor(sorted(framing(encoder.tokenizer)), device=ids.device))
    found = {
        ("cls-pooling", "the first token's vector is taken"): last[:, 0],
        ("mean-pooling", "the mean over all tokens is taken"): pool(last, mask, Pooling.MEAN),
        ("max-pooling", "the largest number over tokens is taken"): pool(last, mask, Pooling.MAX),
        ("last-token-pooling", "the last token's vector is taken"): pool(last, mask, Pooling.LAST),
        ("missing-special-tokens", "special tokens are left out of the mean"): pool(last, inner, Pooling.MEAN),
    }
    for at, layer in enumerate(layers[:-1]):
        found["wrong-layer", f"layer {at} of {len(layers) - 1} is taken"] = pool(layer, mask, own)
    first_and_last = pool((layers[1] + last) / 2, mask, own)
    found["wrong-layer", "the first and the last layer are averaged"] = first_and_last
    found["wrong-layer", "the last four layers are averaged"] = pool(torch.stack(layers[-4:]).mean(0), mask, own)
    if getattr(out, "pooler_output", None) is not None:
        found["wrong-layer", "the pooler head's output is taken"] = out.pooler_output.float()
    return {name: vectors for name, vectors in found.items() if name[0] != SLUGS.get(own)}


@torch.inference_mode()
def over_padding(encoder: TransformerEncoder, tokens: Tokens) -> Choices:
    """Pooled over tokens and padding, not normalised, for each padded length: the right mask, but not in the pooling.

    The recipe's pooling where it looks at the end of an input (max, last token), else the mean.
    """
    length = lengths(encoder, tokens)[-1]
    pieces = []
    for start in range(0, len(tokens), PIECE):
        ids, mask = on_device(encoder, tokens[start : start + PIECE], length)
        with encoder.autocast():
            states = encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        count = torch.arange(1, length + 1, device=states.device)[None, :, None]
        match encoder.recipe.pooling:
            case Pooling.MAX:
                found = states.cummax(1).values
            case Pooling.LAST:
                found = states
            case _:
                found = states.cumsum(1) / count
        # No row is padded to less than its own length.
        at = torch.maximum(count[..., 0] - 1, mask.sum(1, keepdim=True) - 1)
        pieces.append(found.gather(1, at[..., None].expand_as(found)))
    return torch.cat(pieces)


@torch.inference_mode()
def without_mask(encoder: TransformerEncoder, tokens: Tokens) -> Choices:
    """Vectors when tokens attend to padding, not normalised: for each padded length, pooled with padding and not."""
    found = []
    for length in lengths(encoder, tokens):
        pieces = []
        for start in range(0, len(tokens), PIECE):
            ids, mask = on_device(encoder, tokens[start : start + PIECE], length)
            everything = torch.ones_like(mask)
            with encoder.autocast():
                states = encoder.model(input_ids=ids, attention_mask=everything).last_hidden_state.float()
            both = (pool(states, m, encoder.recipe.pooling) for m in (mask, everything))
            pieces.append(torch.stack(list(both), 1))
        found.append(torch.cat(pieces))
    return torch.cat(found, 1)


def lengths(encoder: TransformerEncoder, tokens: Tokens) -> list[int]:
    """Lengths to which the inputs may have been padded: that of some batch, or one of `PADDED`; at least the longest's.

    A batch may be as long as its longest input, so lengths are tried from the shortest input to a little beyond the
    longest.
    """
    own = [len(row) for row in tokens]
    most = encoder.recipe.max_length
    near = range(min(own), min(max(own) + PIECE, most) + 1)
    step = -(-len(near) // MOST_LENGTHS)
    return sorted({*near[::step], *(length for length in (*PADDED, most) if max(own) <= length <= most)})


def on_device(
    encoder: TransformerEncoder, tokens: Tokens, length: int = 0
) -> tuple[Int[Tensor, "n t"], Int[Tensor, "n t"]]:
    """Token ids and mask, padded to `length` or to the longest."""
    pad = encoder.tokenizer.pad_token_id or 0
    ids, mask = padded(tokens, pad)
    if (more := length - ids.shape[1]) > 0:
        ids, mask = (torch.nn.functional.pad(x, (0, more), value=value) for x, value in ((ids, pad), (mask, 0)))
    return ids.to(encoder.model.device), mask.to(encoder.model.device)


def framing(t: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that a tokenizer puts around an input. Not all special ones: an unknown word is one as well."""
    around = (t.cls_token_id, t.sep_token_id, t.bos_token_id, t.eos_token_id)
    return frozenset(token for token in around if token is not None)
