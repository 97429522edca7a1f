"""Image encoder on torch: pixels, one forward pass, the model's own vector or one over its patches, normalisation."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn

from drift.encoder.batches import in_batches, rows_that_fit
from drift.encoder.fingerprint import digest_of
from drift.encoder.gpu import Gpu, gpu_of
from drift.encoder.images import Preprocessing, pixels_of
from drift.encoder.reproducible import reproducible
from drift.errors import EncoderError, UnreadableInputsError

CHUNK: Final = 64
"""Images that are decoded at once, by one thread each as far as there are cores."""

Features = Callable[[Tensor], Tensor]
Pixels = UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Vision:
    """An image model as it was built: `features` makes vectors (n d) of pixels (n 3 h w), `made_by` says what it is.

    `libraries` are the versions of what built it, by name.
    """

    model: nn.Module
    features: Features
    preprocessing: Preprocessing
    made_by: str
    libraries: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ImageEncoder:
    """Embeds images that are given as data URLs. Safe to share between threads.

    `files` are sha256 by what the file is. `deterministic` puts each image through the model alone, by algorithms that
    give the same bits each time.
    """

    vision: Vision
    files: Mapping[str, str]
    normalise: bool = False
    deterministic: bool = False
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        how = self.vision.preprocessing
        size = how.crop or how.resize
        # A model without a size of its own still shows the length of its vectors.
        height, width = size if isinstance(size, tuple) else (size or 224, size or 224)
        object.__setattr__(self, "dim", self._forward([np.zeros((height, width, 3), np.uint8)]).shape[1])

    @property
    def model(self) -> nn.Module:
        """The module itself."""
        return self.vision.model

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def described(self) -> Mapping[str, str]:
        """Everything that decides the numbers, part by part."""
        return {
            **self.files,
            "architecture": self.vision.made_by,
            "preprocessing": str(self.vision.preprocessing),
            "normalise": str(self.normalise),
            "dtype": str(next(self.model.parameters()).dtype).removeprefix("torch."),
            "device": self.device.type,
            "torch": torch.__version__,
            "deterministic": str(self.deterministic),
            **self.vision.libraries,
        }

    @property
    def fingerprint(self) -> str:
        return digest_of(dict(self.described))

    @property
    def gpu(self) -> Gpu | None:
        """What the model is on, where that is a GPU."""
        return gpu_of(self.device)

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per image, in the order given; unit length if the encoder normalises.

        Raises:
            UnreadableInputsError: some inputs carry no image that can be decoded.
        """
        vectors = np.empty((len(inputs), self.dim), np.float32)
        faults: dict[int, str] = {}
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for start in range(0, len(inputs), CHUNK):
                found = list(pool.map(self._read, inputs[start : start + CHUNK]))
                faults |= {start + i: read for i, read in enumerate(found) if isinstance(read, str)}
                if not faults:  # else whoever asked goes on without those, and this would be done twice
                    vectors[start : start + CHUNK] = self._embed([x for x in found if not isinstance(x, str)])
        if faults:
            raise UnreadableInputsError(faults, len(inputs))
        return vectors

    def _read(self, text: str) -> Pixels | str:
        """The pixels, or why there are none."""
        try:
            return pixels_of(text, self.vision.preprocessing)
        except ValueError as error:
            return str(error)

    def _embed(self, images: Sequence[Pixels]) -> Float32[np.ndarray, "n d"]:
        vectors = np.empty((len(images), self.dim), np.float32)
        # Together are those of one shape: a model without a crop takes images of any.
        shapes = {image.shape for image in images}
        for shape in shapes:
            at = [i for i, image in enumerate(images) if image.shape == shape]
            most = 1 if self.deterministic else rows_that_fit(self.device, 4 * int(np.prod(shape)))
            vectors[at] = in_batches([images[i] for i in at], most, self._forward)
        return vectors

    @torch.inference_mode()
    def _forward(self, images: Sequence[Pixels]) -> Float32[np.ndarray, "n d"]:
        how, device = self.vision.preprocessing, self.device
        pixels = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2).float()
        mean, std = (torch.tensor(x, device=device).view(-1, 1, 1) for x in (how.mean, how.std))
        pixels = (pixels * how.scale - mean) / std
        with reproducible(on=self.deterministic):
            vectors = self.vision.features(pixels.to(next(self.model.parameters()).dtype))
        return finished(vectors, self.normalise)


def finished(vectors: Float[Tensor, "n ..."], normalise: bool) -> Float32[np.ndarray, "n d"]:  # noqa: FBT001
    """Vectors as they leave an encoder; axes of length 1 behind the second are dropped.

    Raises:
        EncoderError: they are no rows of vectors.
    """
    rows = (
        vectors.float().flatten(1) if vectors.ndim > 2 and vectors[0].numel() == vectors.shape[1] else vectors.float()
    )
    if rows.ndim != 2:
        raise EncoderError(f"a model needs to give a vector for each input, this one gives {tuple(vectors.shape)}")
    if normalise:
        rows = torch.nn.functional.normalize(rows, dim=1)
    found: Float32[np.ndarray, "n d"] = rows.cpu().numpy()
    return found
