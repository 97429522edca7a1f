"""From a declared image model to an encoder: transformers' directories, timm's, or weights and an architecture."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drift.encoder.fingerprint import sha256_of, sha256_of_all
from drift.encoder.layout import read
from drift.errors import EncoderError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers.modeling_utils import PreTrainedModel

    from drift.encoder.load import EncoderSpec
    from drift.encoder.vision import Features, ImageEncoder, Vision

IMAGE_POOLINGS: Final = ("head", "cls", "mean")
"""The model's own pooled vector, its first token's, or the mean over what it has of all places."""

Place = tuple["torch.device", "torch.dtype"]


def load_images(spec: "EncoderSpec", source: Path, place: Place) -> "ImageEncoder":
    """The image encoder of a directory, or of a file of weights whose architecture `spec` names.

    Raises:
        EncoderError: a part is missing, is not known, or is not what was asked for.
    """
    if importlib.util.find_spec("PIL") is None:
        raise EncoderError("an image encoder needs Pillow, which is not installed: pip install drift[encoder]")
    from drift.encoder.vision import ImageEncoder  # noqa: PLC0415

    if spec.max_length is not None or spec.prefix is not None:
        raise EncoderError(f"max_length and prefix are of texts, and {spec.model} takes images: leave them out")
    files = checksums(source)
    if spec.weights_sha256 is not None and files["weights"] != spec.weights_sha256.lower():
        raise EncoderError(
            f"{source} needs weights of sha256 {spec.weights_sha256}, found {files['weights']}: these are not the "
            "weights that were asked for; install or copy them again"
        )
    vision = build(spec, source, place)
    return ImageEncoder(vision, files, normalise=bool(spec.normalise), deterministic=spec.deterministic)


def checksums(source: Path) -> Mapping[str, str]:
    """sha256 of what decides the numbers, by what it is."""
    if source.is_file():
        return {"weights": sha256_of(source)}
    weights = sorted(source.glob("*.safetensors"))
    if not weights:
        raise EncoderError(
            f"an image model needs its weights as *.safetensors, {source} has none: convert them (pickled weights can "
            "run code and are never loaded)"
        )
    configs = [path for path in (source / "config.json", source / "preprocessor_config.json") if path.is_file()]
    return {"weights": sha256_of_all(weights), "config": sha256_of_all(configs)}


def build(spec: "EncoderSpec", source: Path, place: Place) -> "Vision":
    """The model, by whatever library it is of."""
    from drift.encoder import architectures  # noqa: PLC0415

    if source.is_file():
        if spec.architecture is None:
            raise EncoderError(
                f"{source} does not say what its weights are of: set `architecture`, such as timm/resnet18"
            )
        require_no_pooling(spec, spec.architecture)
        return architectures.build(spec.architecture, source, {}, spec.background, place)
    config = read(source / "config.json")
    if "architecture" not in config:
        return of_transformers(spec, source, place)
    name, declared = f"timm/{config['architecture']}", config.get("pretrained_cfg")
    require_no_pooling(spec, name)
    weights = sorted(source.glob("*.safetensors"))
    if len(weights) != 1:
        raise EncoderError(f"{source} needs its weights in one file, found {', '.join(path.name for path in weights)}")
    said = declared if isinstance(declared, dict) else {}
    return architectures.build(name, weights[0], said, spec.background, place)


def require_no_pooling(spec: "EncoderSpec", name: str) -> None:
    """What an architecture pools by is its own."""
    if spec.pooling is not None:
        raise EncoderError(f"{name} pools by itself: leave out `pooling`, found {spec.pooling!r}")


def of_transformers(spec: "EncoderSpec", folder: Path, place: Place) -> "Vision":
    """An image model of transformers; of one that takes texts too, the half that takes images.

    Raises:
        EncoderError: it takes no images, or how to pool is not said.
    """
    import transformers  # noqa: PLC0415

    from drift.encoder.image_layout import of_transformers as declared  # noqa: PLC0415
    from drift.encoder.transformer import read_model  # noqa: PLC0415
    from drift.encoder.vision import Vision  # noqa: PLC0415

    device, dtype = place
    model = read_model(folder, dtype, device, unused=())
    both = hasattr(model, "get_image_features")
    if not both and model.main_input_name != "pixel_values":
        raise EncoderError(f"the model in {folder} takes {model.main_input_name} and no images: choose another one")
    if both:
        require_no_pooling(spec, str(folder))
    elif spec.pooling not in IMAGE_POOLINGS:
        raise EncoderError(
            f"{folder} does not declare how its vectors are pooled: set the encoder's pooling to "
            f"{' or '.join(IMAGE_POOLINGS)}, found {spec.pooling!r}"
        )
    pooling = "image features" if both else spec.pooling or ""
    return Vision(
        model,
        features_of(model, pooling),
        declared(folder, spec.background),
        f"{model.config.model_type}, {pooling}",
        {"transformers": transformers.__version__},
    )


def features_of(model: "PreTrainedModel", pooling: str) -> "Features":
    """What makes vectors of pixels."""
    import torch  # noqa: PLC0415

    both = getattr(model, "get_image_features", None)

    def features(pixels: "Tensor") -> "Tensor":
        if both is not None:
            out = both(pixel_values=pixels)
            # Since transformers 5 it is an output of several parts, before it was the vectors alone.
            found: Tensor = out if isinstance(out, torch.Tensor) else out.pooler_output
            return found
        out = model(pixel_values=pixels)
        if pooling == "head":
            if getattr(out, "pooler_output", None) is None:
                raise EncoderError("this model has no pooled output of its own: set its pooling to cls or mean")
            head: Tensor = out.pooler_output
            return head
        states: Tensor = out.last_hidden_state
        if pooling == "mean":
            # Tokens (n t d), or a map (n d h w).
            return states.float().mean(1) if states.ndim == 3 else states.float().mean((2, 3))
        if states.ndim != 3:
            raise EncoderError("this model has no first token: set its pooling to head or mean")
        return states[:, 0]

    return features
