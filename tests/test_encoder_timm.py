"""Models of timm: by a file of weights and an architecture, and by the directories of its hub.

timm needs torchvision, which is compiled for one build of torch: on PyPI for CUDA. So it is in no set of packages that
the tests bring, and they run where somebody has installed it.
"""

import importlib
import json

import numpy as np
import pytest
import safetensors.torch
import torch
from image_models import picture, url

from drift.encoder.load import EncoderSpec, load
from drift.errors import EncoderError


def installed() -> bool:
    try:
        importlib.import_module("timm")
    except (ImportError, RuntimeError):
        return False
    return True


needs_timm = pytest.mark.skipif(not installed(), reason="timm is not installed, or not for this build of torch")
INPUTS = [url(picture(seed, 200, 180)) for seed in range(3)]


@needs_timm
def test_vectors_equal_those_of_timm(tmp_path):
    import timm

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


@needs_timm
def test_weights_of_another_architecture_are_refused(tmp_path):
    import timm

    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(timm.create_model("test_vit", pretrained=False).state_dict(), weights)
    with pytest.raises(EncoderError, match="has not the weights of its architecture"):
        load(EncoderSpec(str(weights), architecture="timm/test_resnet", device="cpu"))
    with pytest.raises(EncoderError, match="has no architecture 'nothing'"):
        load(EncoderSpec(str(weights), architecture="timm/nothing", device="cpu"))
    weights.write_bytes(b"pickle")
    with pytest.raises(EncoderError, match="needs to be a safetensors file"):
        load(EncoderSpec(str(weights), architecture="timm/test_vit", device="cpu"))


@pytest.mark.skipif(installed(), reason="timm is there")
def test_a_missing_timm_names_the_extra(tmp_path):
    weights = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(1)}, weights)
    with pytest.raises(EncoderError, match=r"pip install drift\[timm\]"):
        load(EncoderSpec(str(weights), architecture="timm/test_vit", device="cpu"))
