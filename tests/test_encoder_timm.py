"""Models of timm: by a file of weights and an architecture, and by the directories of its hub."""

import importlib.util
import json
import os

import numpy as np
import pytest
import safetensors.torch
import torch
from image_models import picture, url

from drift.encoder import architectures
from drift.encoder.load import EncoderSpec, load
from drift.errors import EncoderError


@pytest.fixture(scope="module")
def timm():
    try:
        return importlib.import_module("timm")
    except (ImportError, RuntimeError) as error:
        # `make test` brings it, and a torchvision that goes beside any torch.
        text = f"timm is not installed, or its torchvision is not for this build of torch: {error}"
        pytest.fail(text) if os.environ.get("CI") == "true" else pytest.skip(text)


INPUTS = [url(picture(seed, 200, 180)) for seed in range(3)]


def test_vectors_equal_those_of_timm(timm, tmp_path):
    torch.random.manual_seed(0)
    whole = timm.create_model("test_vit", pretrained=False).eval()
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(whole.state_dict(), weights)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(whole))
    with torch.inference_mode():
        pixels = torch.stack([transform(picture(seed, 200, 180)) for seed in range(3)])
        expected = whole.forward_head(whole.forward_features(pixels), pre_logits=True).numpy()
    by_name = load(EncoderSpec(str(weights), architecture="timm/test_vit", device="cpu"))
    assert np.abs(by_name.encode(INPUTS) - expected).max() < 1e-5
    (hub := tmp_path / "hub").mkdir()
    (hub / "model.safetensors").symlink_to(weights)
    (hub / "config.json").write_text(json.dumps({"architecture": "test_vit", "pretrained_cfg": {"crop_pct": 1.0}}))
    by_hub = load(EncoderSpec(str(hub), device="cpu"))
    assert by_hub.vision.preprocessing.resize == 160
    assert by_hub.fingerprint != by_name.fingerprint
    with pytest.raises(EncoderError, match="pools by itself"):
        load(EncoderSpec(str(hub), pooling="cls", device="cpu"))


def test_weights_of_another_architecture_are_refused(timm, tmp_path):
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(timm.create_model("test_vit", pretrained=False).state_dict(), weights)
    with pytest.raises(EncoderError, match="has not the weights of its architecture"):
        load(EncoderSpec(str(weights), architecture="timm/test_resnet", device="cpu"))
    with pytest.raises(EncoderError, match="has no architecture 'nothing'"):
        load(EncoderSpec(str(weights), architecture="timm/nothing", device="cpu"))
    weights.write_bytes(b"pickle")
    with pytest.raises(EncoderError, match="needs to be a safetensors file"):
        load(EncoderSpec(str(weights), architecture="timm/test_vit", device="cpu"))


def test_a_missing_timm_names_the_extra(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(architectures.importlib.util, "find_spec", lambda name: None if name == "timm" else find(name))
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, weights)
    with pytest.raises(EncoderError, match=r"pip install drift\[timm\]"):
        load(EncoderSpec(str(weights), architecture="timm/test_vit", device="cpu"))
