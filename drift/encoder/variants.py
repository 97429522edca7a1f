"""The ways in which a serving path goes wrong, each with the vectors that it would give for some inputs."""

import json
import string
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Float32
from tokenizers import Tokenizer
from torch import Tensor

from drift.encoder import states
from drift.encoder.base import Encoder
from drift.encoder.limits import TextEncoder, cut, said
from drift.encoder.quantised import with_rounded_activations, with_rounded_weights
from drift.encoder.tokens import TokensEncoder
from drift.encoder.transformer import TransformerEncoder
from drift.encoder.utf8 import sendable

PREFIXES: Final = (
    "query: ",
    "passage: ",
    "search_query: ",
    "search_document: ",
    "Represent this sentence for searching relevant passages: ",
    "clustering: ",
    "classification: ",
    "title: none | text: ",
    "task: search result | query: ",
)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """A fault by its slug, how it came about in words, and what it makes of each input.

    Where the fault depends on what cannot be known (how far a row was padded) a row has several choices. One that
    leaves more than the part `leeway` of a row's deviation explains nothing of it; where few rows fail, `few`.
    """

    cause: str
    how: str
    vectors: Float32[np.ndarray, "n c d"]
    leeway: float = 1.0
    few: float = 0.5


def variants_of(encoder: Encoder, texts: Sequence[str], served: Float32[np.ndarray, "n d"]) -> Iterator[Variant]:
    """Every variant that can be made with `encoder`: of a model of anything but texts, or one elsewhere, none."""
    if isinstance(encoder, TransformerEncoder):
        yield from variants(encoder, texts, served)
    elif isinstance(encoder, TokensEncoder):
        yield from _poolings(encoder, texts)
        yield from before_the_model(encoder, texts, served)


def untried(encoder: Encoder) -> str:
    """Which variants cannot be made with `encoder`, in a sentence; "" where all can."""
    if isinstance(encoder, TransformerEncoder):
        return ""
    if isinstance(encoder, TokensEncoder):
        return "Padding, layers and precision were not tried: in a graph they are what they are."
    return (
        "Pooling, prefix, limit and what else makes a recipe were not tried: they need a model of texts that runs here."
    )


def variants(
    encoder: TransformerEncoder, texts: Sequence[str], served: Float32[np.ndarray, "n d"]
) -> Iterator[Variant]:
    """Every variant, the simplest and cheapest first; each costs what encoding `texts` costs when it is asked for.

    `served` are the vectors that are to be explained: they say near which limit to look closer.
    """
    tokens = encoder.tokenize(texts)
    for (cause, how), vectors in states.pooled(encoder, tokens).items():
        yield Variant(cause, how, finished(encoder, vectors))
    yield from before_the_model(encoder, texts, served)
    over = states.over_padding(encoder, tokens)
    # With so many choices the best of them comes a little nearer whatever is wrong.
    yield Variant("padding-pooled", "padding counts in the pooling", finished(encoder, over), leeway=0.5)
    without = states.without_mask(encoder, tokens)
    yield Variant("mask-ignored", "tokens attend to padding", finished(encoder, without), leeway=0.5)
    for how, other in with_rounded_weights(encoder):
        # Rounded alike each time: what comes near only has more than its weights rounded.
        yield Variant("quantised-weights", how, one(other.encode(texts)), leeway=0.2)
    for how, other in with_rounded_activations(encoder):
        # Which batch a row was rounded with is not known, so this comes only near.
        yield Variant("quantised-activations", how, one(other.encode(texts)), few=1.0)


def _poolings(encoder: TokensEncoder, texts: Sequence[str]) -> Iterator[Variant]:
    """Where the graph gives vectors of tokens, each pooling but the right one."""
    if encoder.pools:
        return
    tokens = encoder.tokenize(texts)
    for pooling, slug in states.SLUGS.items():
        if pooling is not encoder.recipe.pooling:
            other = replace(encoder, recipe=replace(encoder.recipe, pooling=pooling))
            yield Variant(slug, f"tokens are pooled by {pooling}", one(other.embed(tokens)))


def before_the_model(
    encoder: TextEncoder, texts: Sequence[str], served: Float32[np.ndarray, "n d"]
) -> Iterator[Variant]:
    """The variants in which the model gets other tokens."""
    yield from _tokens(encoder, encoder.tokenize(texts))
    yield from _texts(encoder, texts)
    for limit, found in cut(encoder, texts, served):
        # Whatever else reads more of an input comes a little nearer too.
        leeway = 1.0 if limit < encoder.recipe.max_length else 0.3
        yield Variant("truncation", said(limit, encoder), one(found), leeway)


def _tokens(encoder: TextEncoder, tokens: Sequence[Sequence[int]]) -> Iterator[Variant]:
    special = states.framing(encoder.tokenizer)
    inner = [[token for token in row if token not in special] or list(row) for row in tokens]
    without: dict[str, Sequence[Sequence[int]]] = {
        "all are missing": inner,
        "the first is missing": [row[1:] if len(row) > 1 and row[0] in special else row for row in tokens],
        "the last is missing": [row[:-1] if len(row) > 1 and row[-1] in special else row for row in tokens],
    }
    for how, rows in without.items():
        yield Variant("missing-special-tokens", how, one(encoder.embed(rows)))


def _texts(encoder: TextEncoder, texts: Sequence[str]) -> Iterator[Variant]:
    recipe = encoder.recipe
    for prefix in ("", *PREFIXES):
        if prefix != recipe.prefix:
            how = f"{prefix!r} is put first" if prefix else f"the prefix {recipe.prefix!r} is missing"
            vectors = one(replace(encoder, recipe=replace(recipe, prefix=prefix)).encode(texts))
            # Other words before a text move it a little alike.
            yield Variant("prefix", how, vectors, leeway=0.3)
    plain = str.maketrans("", "", string.punctuation)
    upper, title = [text.upper() for text in texts], [text.title() for text in texts]
    changes = {
        "inputs are lower-cased": [text.lower() for text in texts],
        "inputs are upper-cased": upper,
        "punctuation is stripped": [text.translate(plain) for text in texts],
        "accents are stripped": [without_accents(text) for text in texts],
        "white space is put in order": [" ".join(text.split()) for text in texts],
    }
    for how, changed in changes.items():
        if changed != list(texts):
            yield Variant("tokenizer-case", how, one(encoder.encode(changed)))
    if (cased := case_kept(encoder)) is not None:
        kept = (("", list(texts)), (" of upper-cased inputs", upper), (" of capitalised inputs", title))
        for what, changed in kept:
            tokens = [encoding.ids for encoding in cased.encode_batch([sendable(text) for text in changed])]
            yield Variant("tokenizer-case", f"the tokenizer keeps the case{what}", one(encoder.embed(tokens)))


def without_accents(text: str) -> str:
    """Letters without what stands above or below them."""
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def case_kept(encoder: TextEncoder) -> Tokenizer | None:
    """The tokenizer without its lower-casing; None where it has none."""
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    parts = json.loads(backend.to_str()) if backend is not None else {}
    if not (parts.get("normalizer") or {}).get("lowercase"):
        return None
    parts["normalizer"]["lowercase"] = False
    cased = Tokenizer.from_str(json.dumps(parts))
    cased.enable_truncation(encoder.recipe.max_length)
    cased.no_padding()
    return cased


def finished(encoder: TransformerEncoder, vectors: Float[Tensor, "n *c d"]) -> Float32[np.ndarray, "n c d"]:
    """Normalised where the recipe says so, with an axis for choices."""
    if encoder.recipe.normalise:
        vectors = torch.nn.functional.normalize(vectors, dim=-1)
    return vectors.reshape(len(vectors), -1, vectors.shape[-1]).cpu().numpy()


def one(vectors: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "n c d"]:
    """One choice for each row."""
    return vectors[:, None]
