"""Text encoder whose model came as a graph: the tokenizer is transformers', the pooling declared or the graph's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, final

import numpy as np
import torch
import transformers
from jaxtyping import Float32
from transformers import PreTrainedTokenizerBase

from drift.encoder.batches import CPU_TOKENS, batch_end
from drift.encoder.fingerprint import Recipe, digest_of
from drift.encoder.graphs import Graph, finished
from drift.encoder.pooling import pool
from drift.encoder.transformer import CHUNK, NO_LIMIT, padded, token_ids
from drift.errors import EncoderError

IDS: Final = "input_ids"
MASK: Final = "attention_mask"
KNOWN: Final = (IDS, MASK, "token_type_ids")

Tokens = Sequence[Sequence[int]]
Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class TokensEncoder:
    """Embeds texts by a graph of `input_ids`. Safe to share between threads as far as the graph is.

    A graph that gives a vector for each token (n t d) is pooled as `recipe` says; one that gives a vector for each
    input (n d) has pooled already. `files` are sha256 by what the file is.
    """

    graph: Graph
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    files: Mapping[str, str]
    deterministic: bool = False
    pools: bool = field(init=False)
    dim: int = field(init=False)
    lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        if unknown := [str(port) for port in self.graph.ports if port.name not in KNOWN]:
            raise EncoderError(f"a model of texts needs inputs among {', '.join(KNOWN)}, this one has {unknown[0]}")
        shape = self._run(token_ids(self.tokenizer, self.recipe, ["drift"])).shape
        if len(shape) not in {2, 3}:
            raise EncoderError(f"a model of texts needs to give vectors of tokens or of inputs, this one gives {shape}")
        object.__setattr__(self, "pools", len(shape) == 2)
        object.__setattr__(self, "dim", shape[-1])

    @property
    def described(self) -> Mapping[str, str]:
        """Everything that decides the numbers, part by part."""
        recipe = self.recipe
        return {
            **self.files,
            "max_length": str(recipe.max_length),
            "pooling": "the graph's own" if self.pools else str(recipe.pooling),
            "normalise": str(recipe.normalise),
            "prefix": recipe.prefix,
            "lowercase": str(recipe.lowercase),
            "transformers": transformers.__version__,
            "deterministic": str(self.deterministic),
            **self.graph.described,
        }

    @property
    def fingerprint(self) -> str:
        return digest_of(dict(self.described))

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, in the order given; unit length if the recipe normalises. No inputs give no rows."""
        vectors = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), CHUNK):
            vectors[start : start + CHUNK] = self.embed(self.tokenize(inputs[start : start + CHUNK]))
        return vectors

    def tokenize(self, inputs: Sequence[str]) -> list[list[int]]:
        """Token ids of each input, special ones included, cut to the recipe's length."""
        with self.lock:
            return token_ids(self.tokenizer, self.recipe, inputs)

    @property
    def longest(self) -> int | None:
        """Most tokens that graph and tokenizer take; None where neither says."""
        return longest(self.graph, self.tokenizer)

    def embed(self, tokens: Tokens) -> Float32[np.ndarray, "n d"]:
        """One row per tokenized input, in the order given."""
        vectors = np.empty((len(tokens), self.dim), np.float32)
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        lengths = [len(tokens[i]) for i in order]
        alone = self.deterministic or any(port.shape[0] == 1 for port in self.graph.ports)
        start = 0
        while start < len(order):
            batch = order[start : batch_end(lengths, start, 1 if alone else CPU_TOKENS)]
            rows = [tokens[i] for i in batch]
            found = self._run(rows)
            if not self.pools:
                _, mask = self._padded(rows)
                found = pool(torch.from_numpy(found), torch.from_numpy(mask), self.recipe.pooling).numpy()
            vectors[batch] = finished(found, normalise=self.recipe.normalise)
            start += len(batch)
        return vectors

    def _run(self, tokens: Tokens) -> Float32[np.ndarray, "n *rest"]:
        ids, mask = self._padded(tokens)
        given = {IDS: ids, MASK: mask}
        return self.graph.run(
            {port.name: given.get(port.name, np.zeros_like(ids)).astype(port.dtype) for port in self.graph.ports}
        )

    def _padded(self, tokens: Tokens) -> tuple[np.ndarray[Shape, np.dtype[np.int64]], ...]:
        """Ids and mask, as long as the longest, or as the graph wants them."""
        pad = int(self.tokenizer.pad_token_id or 0)
        ids, mask = (x.numpy() for x in padded(tokens, pad))
        length = next((port.shape[1] for port in self.graph.ports if port.name == IDS), None)
        more = 0 if length is None else length - ids.shape[1]
        return tuple(np.pad(x, ((0, 0), (0, more)), constant_values=value) for x, value in ((ids, pad), (mask, 0)))


def longest(graph: Graph, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Most tokens that graph and tokenizer take; None where neither says."""
    own = int(tokenizer.model_max_length)
    limits = [*(port.shape[1] for port in graph.ports if port.name == IDS), own if own < NO_LIMIT else None]
    return min((limit for limit in limits if limit is not None), default=None)
