"""Text encoder on plain transformers and torch: tokens, one forward pass, pooling, normalisation."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final, final

import numpy as np
import torch
import transformers
from jaxtyping import Float32, Int
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    MT5EncoderModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5EncoderModel,
)
from transformers.utils import logging as transformers_logging

from drift.encoder.batches import batch_end, tokens_that_fit
from drift.encoder.fingerprint import Fingerprint, Recipe
from drift.encoder.gpu import Gpu, gpu_of
from drift.encoder.layout import Checksums
from drift.encoder.pooling import pool
from drift.encoder.reproducible import reproducible
from drift.encoder.utf8 import sendable
from drift.errors import EncoderError

# Inputs tokenized at once, on all cores: bounds memory on long jobs, and is plenty to sort by length.
CHUNK: Final = 4096
# What transformers itself uses for "no limit declared" is far above any real length.
NO_LIMIT: Final = 1_000_000
UNUSED_WEIGHTS: Final = ("pooler.",)
HALVES: Final[Mapping[str, type[PreTrainedModel]]] = {"t5": T5EncoderModel, "mt5": MT5EncoderModel}
"""What encodes in models that also decode, by the type in config.json."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class TransformerEncoder:
    """Embeds texts with a transformer. Safe to share between threads; deterministic but for rounding (1e-7).

    A copy with another recipe (`dataclasses.replace`) shares the weights and costs nothing. `batch_tokens` bounds a
    batch, padding included; None is what memory takes. `deterministic` puts each input through the model alone, by
    algorithms that give the same bits each time.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    recipe: Recipe
    files: Checksums
    batch_tokens: int | None = None
    deterministic: bool = False
    # A fast tokenizer keeps truncation as state, and refuses to be used by two threads at once.
    lock: Lock = field(default_factory=Lock)

    @property
    def parts(self) -> Fingerprint:
        """Everything that decides the numbers, for lineage."""
        return Fingerprint(
            weights=self.files.weights,
            config=self.files.config,
            tokenizer=self.files.tokenizer,
            recipe=self.recipe,
            dtype=str(self.dtype).removeprefix("torch."),
            device=self.model.device.type,
            torch=torch.__version__,
            transformers=transformers.__version__,
            deterministic=self.deterministic,
        )

    @property
    def dtype(self) -> torch.dtype:
        """The type of the products: the shorter of the weights' types."""
        return min(self.dtypes, key=lambda dtype: dtype.itemsize)

    @property
    def dtypes(self) -> set[torch.dtype]:
        """The types of the weights: linear layers may have them in half precision, and others not."""
        return {weight.dtype for weight in self.model.parameters() if weight.is_floating_point()}

    @property
    def fingerprint(self) -> str:
        return self.parts.digest

    @property
    def described(self) -> Mapping[str, str]:
        return self.parts.described

    @property
    def dim(self) -> int:
        return int(self.model.config.hidden_size)

    @property
    def gpu(self) -> Gpu | None:
        """What the model is on, where that is a GPU."""
        return gpu_of(self.model.device)

    @property
    def longest(self) -> int | None:
        """Most tokens that model and tokenizer take; None where neither says."""
        return longest(self.model, self.tokenizer)

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per input, in the order given; unit length if the recipe normalises. No inputs give no rows."""
        vectors = np.empty((len(inputs), self.dim), np.float32)
        for start in range(0, len(inputs), CHUNK):
            vectors[start : start + CHUNK] = self.embed(self.tokenize(inputs[start : start + CHUNK]))
        return vectors

    def embed(self, tokens: Sequence[Sequence[int]]) -> Float32[np.ndarray, "n d"]:
        """One row per tokenized input, in the order given. A batch that is too large for memory is halved."""
        vectors = np.empty((len(tokens), self.dim), np.float32)
        # Longest first: a batch wastes next to nothing on padding, and too little memory shows at once.
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        lengths = [len(tokens[i]) for i in order]
        most = 1 if self.deterministic else self.batch_tokens or tokens_that_fit(self.model)
        start = 0
        while start < len(order):
            batch = order[start : batch_end(lengths, start, most)]
            try:
                vectors[batch] = self.forward([tokens[i] for i in batch])
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                most = len(batch) // 2 * lengths[start]
            else:
                start += len(batch)
        return vectors

    def tokenize(self, inputs: Sequence[str]) -> list[list[int]]:
        """Token ids of each input, special ones included, cut to the recipe's length."""
        with self.lock:
            return token_ids(self.tokenizer, self.recipe, inputs)

    @torch.inference_mode()
    def forward(self, tokens: Sequence[Sequence[int]]) -> Float32[np.ndarray, "n d"]:
        """Vectors of inputs that are tokenized already, padded to the longest of them."""
        ids, mask = padded(tokens, self.tokenizer.pad_token_id or 0)
        ids, mask = ids.to(self.model.device), mask.to(self.model.device)
        with reproducible(on=self.deterministic), self.autocast():
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        vectors = pool(states, mask, self.recipe.pooling)
        if self.recipe.normalise:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        found: Float32[np.ndarray, "n d"] = vectors.cpu().numpy()
        return found

    def autocast(self) -> torch.autocast:
        """What a model with weights of two types has to run in."""
        mixed = len(self.dtypes) > 1
        return torch.autocast(self.model.device.type, self.dtype if mixed else None, enabled=mixed)


def read_model(
    folder: Path, dtype: torch.dtype, device: torch.device, unused: tuple[str, ...] = UNUSED_WEIGHTS
) -> PreTrainedModel:
    """The model in `folder`, ready to encode; weights that start with one of `unused` may be missing.

    Raises EncoderError where others are.
    """
    with quiet():
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        half = HALVES.get(config.model_type)
        read = AutoModel.from_pretrained if half is None else half.from_pretrained
        model, report = read(  # type: ignore[misc]  # `output_loading_info` makes it a pair
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=dtype,
            output_loading_info=True,
        )
    # transformers fills what is missing with random numbers, and goes on.
    if missing := sorted(name for name in report["missing_keys"] if not name.startswith(unused)):
        raise EncoderError(
            f"{folder} needs weights for every layer of its config.json, {len(missing)} are missing, "
            f"{missing[0]} for one: the two do not belong together, copy the model again"
        )
    ready: PreTrainedModel = model.eval().to(device)
    return ready


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, as the model was trained with."""
    with quiet():
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    return tokenizer


def token_ids(tokenizer: PreTrainedTokenizerBase, recipe: Recipe, inputs: Sequence[str]) -> list[list[int]]:
    """Token ids of each input, special ones included, cut to the recipe's length."""
    texts = [sendable(recipe.prefix + text) for text in inputs]
    if recipe.lowercase:
        texts = [text.lower() for text in texts]
    ids = tokenizer(texts, truncation=True, max_length=recipe.max_length, verbose=False, return_attention_mask=False)
    return [list(row) for row in ids["input_ids"]]


def longest(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Most tokens that model and tokenizer take; None where neither says."""
    positions = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    # Where padding has a position of its own (RoBERTa, MPNet), tokens come after it.
    taken = 0 if positions is None or positions.padding_idx is None else positions.padding_idx + 1
    limits = ((getattr(model.config, "max_position_embeddings", 0) or 0) - taken, tokenizer.model_max_length)
    return min((int(limit) for limit in limits if 0 < limit < NO_LIMIT), default=None)


def padded(tokens: Sequence[Sequence[int]], pad: int) -> tuple[Int[Tensor, "n t"], Int[Tensor, "n t"]]:
    """Token ids filled up to the longest on the right, and 1 where a token is real."""
    shape = (len(tokens), max(1, *(len(row) for row in tokens)))
    ids, mask = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    for i, row in enumerate(tokens):
        ids[i, : len(row)], mask[i, : len(row)] = row, 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice of transformers on stderr; faults still raise."""
    logger = logging.getLogger("transformers")
    level, bars = logger.level, transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
