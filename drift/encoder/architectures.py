"""Image models by the name of their architecture, for weights in one safetensors file: a new kind is one entry here."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from torch import nn

from drift.encoder.image_layout import Background, of_timm
from drift.encoder.images import Preprocessing
from drift.encoder.vision import Vision
from drift.errors import EncoderError


@dataclass(frozen=True, slots=True, eq=False)
class Untrained:
    """A model as its architecture is, with no weights yet, and the names of weights that it has no use for."""

    model: nn.Module
    preprocessing: Preprocessing
    left_out: tuple[str, ...]
    version: str


Constructor = Callable[[str, Mapping[str, object], Background], Untrained]


def timm_model(name: str, declared: Mapping[str, object], background: Background) -> Untrained:
    """A model of timm without its classifier; `declared` is its `pretrained_cfg`, {} for timm's own.

    Raises:
        EncoderError: timm is not installed, does not know it, or it wants its images otherwise than is known here.
    """
    if importlib.util.find_spec("timm") is None:
        raise EncoderError("an architecture of timm needs timm, which is not installed: pip install drift[timm]")
    try:
        timm = importlib.import_module("timm")
    except RuntimeError as fault:  # torchvision's operators are compiled for one build of torch
        raise EncoderError(
            f"timm needs a torchvision of torch's own build, CPU or CUDA, this one says: {fault}; install both from "
            "one index"
        ) from fault
    if not timm.is_model(name):
        raise EncoderError(f"timm {timm.__version__} has no architecture {name!r}: `timm.list_models()` names all")
    model: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    found = {**timm.data.resolve_model_data_config(model), **declared}
    own = timm.get_pretrained_cfg(name)
    heads = getattr(own, "classifier", None) or ()
    left_out = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    return Untrained(model, of_timm(found, f"timm/{name}", background), left_out, str(timm.__version__))


ARCHITECTURES: Final[Mapping[str, Constructor]] = {"timm": timm_model}
"""Constructors by the library that an architecture's name begins with, as in `timm/resnet18`."""


def build(
    architecture: str,
    weights: Path,
    declared: Mapping[str, object],
    background: Background,
    place: tuple[torch.device, torch.dtype],
) -> Vision:
    """The model of that architecture with those weights, ready to encode.

    Raises:
        EncoderError: the architecture is not known, or the weights are not its.
    """
    library, _, name = architecture.partition("/")
    constructor = ARCHITECTURES.get(library)
    if constructor is None or not name:
        known = ", ".join(f"{library}/…" for library in ARCHITECTURES)
        raise EncoderError(f"an encoder's architecture needs to be one of {known}, found {architecture!r}")
    made = constructor(name, declared, background)
    fill(made, weights)
    model = made.model.eval().to(*place)
    return Vision(model, model, made.preprocessing, architecture, {library: made.version})


def fill(made: Untrained, weights: Path) -> None:
    """Give the model its weights: all of them, and no others but those that are left out.

    Raises:
        EncoderError: the file cannot be read, or its weights are not this model's.
    """
    try:
        state = safetensors.torch.load_file(weights)
    except (OSError, safetensors.SafetensorError) as fault:
        raise EncoderError(f"{weights} needs to be a safetensors file, found {fault}: save them again") from fault
    kept = {name: value for name, value in state.items() if not name.startswith(made.left_out)}
    try:
        made.model.load_state_dict(kept)
    except RuntimeError as fault:
        raise EncoderError(f"{weights} has not the weights of its architecture: {fault}") from fault
