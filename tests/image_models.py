"""Small image models with random weights, in the layouts that they come in, and images to give them."""

import io
import json
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from drift.records import data_url

PROCESSOR = {
    "do_resize": True,
    "size": {"shortest_edge": 40},
    "do_center_crop": True,
    "crop_size": {"height": 32, "width": 32},
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
}
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
VISION = {**SMALL, "image_size": 32, "patch_size": 8, "initializer_range": 0.3}


def saved(model: torch.nn.Module, folder: Path, **processor: object) -> Path:
    """The directory, with the preprocessor's configuration beside the model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | processor))
    return folder


def vit(folder: Path, seed: int = 0, **processor: object) -> Path:
    import transformers

    with torch.random.fork_rng():
        torch.random.manual_seed(seed)
        return saved(transformers.ViTModel(transformers.ViTConfig(**VISION)), folder, **processor)


def clip(folder: Path) -> Path:
    import transformers

    config = transformers.CLIPConfig(
        text_config=SMALL | {"vocab_size": 64, "bos_token_id": 0, "eos_token_id": 1},
        vision_config=VISION,
        projection_dim=8,
    )
    return saved(transformers.CLIPModel(config), folder)


def picture(seed: int = 0, width: int = 48, height: int = 64, mode: str = "RGB") -> Image.Image:
    """A smooth image of some colours, which no compression spoils much."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def content(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def url(image: Image.Image, kind: str = "PNG", **options: object) -> str:
    return data_url(content(image, kind, **options))
