"""Images as a model takes them: read from bytes, turned upright, made RGB, resized, cropped."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from drift.records import content_of

FORMATS: Final = ("PNG", "JPEG", "WEBP")
MOST_BYTES: Final = 32 << 20
MOST_PIXELS: Final = 50_000_000
"""A file of kilobytes can say that it has gigapixels: it is refused by its header, before it is decoded."""
UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What Pillow raises on bytes that are no image, or not all of one."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes what the model was trained on.

    `resize` is the length of the shorter side in pixels, or (height, width) whatever the image's shape; `crop` (height,
    width) of the middle, filled up with black where the image is smaller. `resample` is Pillow's filter. A colour in
    [0, 1] becomes (colour - `mean`) / `std`. What is transparent is laid on `background`, as 8-bit RGB.
    """

    resize: int | tuple[int, int] | None
    crop: tuple[int, int] | None
    resample: int = Image.Resampling.BILINEAR
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    scale: float = 1 / 255
    background: tuple[int, ...] = (255, 255, 255)

    def __str__(self) -> str:
        filter_ = Image.Resampling(self.resample).name.lower()
        return (
            f"resize {self.resize or 'no'} {filter_}, crop {self.crop or 'no'}, scale {self.scale:.6g}, "
            f"mean {self.mean}, std {self.std}, background {self.background}"
        )


def pixels_of(text: str, how: Preprocessing) -> UInt8[np.ndarray, "h w 3"]:
    """The image that an input carries, ready but for its normalisation.

    Raises:
        ValueError: it carries none of `FORMATS`, or a part of one, or one that is too large.
    """
    content = content_of(text, MOST_BYTES)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        require_size(image)
        upright = ImageOps.exif_transpose(image)
        return np.asarray(fitted(rgb(upright, how.background), how), np.uint8)
    except UNREADABLE as error:
        raise ValueError(f"it is no readable {', '.join(FORMATS)} image: {error}") from error


def require_size(image: Image.Image) -> None:
    """Refuse what would take too much memory once decoded."""
    if (pixels := image.width * image.height) > MOST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are {pixels}, at most {MOST_PIXELS} are decoded")


def rgb(image: Image.Image, background: tuple[int, ...]) -> Image.Image:
    """An image of any mode in 8-bit RGB; 16-bit greys lose their lower half, and nothing is left transparent."""
    if image.mode.startswith("I"):
        # Pillow itself would clip what is above 255.
        deep = np.asarray(image).clip(0, 65_535)
        image = Image.fromarray((deep // 257).astype(np.uint8))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, (*background, 255)), over)
    return image.convert("RGB")


def fitted(image: Image.Image, how: Preprocessing) -> Image.Image:
    """Resized, then cropped."""
    if how.resize is not None:
        height, width = how.resize if isinstance(how.resize, tuple) else shorter_side(image, how.resize)
        if height * width > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels would be resized to {width} x {height}, too many")
        image = image.resize((width, height), how.resample)
    if how.crop is None:
        return image
    height, width = how.crop
    left, top = (round((have - want) / 2) for have, want in ((image.width, width), (image.height, height)))
    return image.crop((left, top, left + width, top + height))


def shorter_side(image: Image.Image, length: int) -> tuple[int, int]:
    """(height, width) with the shorter side `length`, of the same shape as far as whole pixels go."""
    short = min(image.width, image.height)
    return max(1, length * image.height // short), max(1, length * image.width // short)
