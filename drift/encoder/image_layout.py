"""What an image model's directory declares about how images are prepared, as transformers and as timm write it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from PIL import Image

from drift.encoder.images import Preprocessing
from drift.encoder.layout import PROCESSOR, Json, read
from drift.errors import EncoderError

FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
DONE: Final = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
"""Steps of a preprocessor that are carried out."""
HARMLESS: Final = ("do_convert_rgb",)
FULL: Final = 384
"""ConvNeXT's preprocessor cuts a border off below this size, and squeezes the whole image from it on."""

Background = tuple[int, ...]


def of_transformers(folder: Path, background: Background) -> Preprocessing:
    """The steps in preprocessor_config.json.

    Raises:
        EncoderError: there is a step, a size or a filter that is not known: without it other vectors would come out.
    """
    found, path = read(folder / PROCESSOR), folder / PROCESSOR
    if unknown := [name for name, on in found.items() if name.startswith("do_") and on and name not in DONE + HARMLESS]:
        raise EncoderError(f"{path} declares {unknown[0]}, drift knows {', '.join(DONE)}: choose another model")
    resize, crop = _sizes(found, path)
    plain = found.get("do_normalize", True) is not True
    return Preprocessing(
        resize=resize,
        crop=crop,
        resample=_number(found, "resample", path, default=Image.Resampling.BILINEAR),
        mean=(0.0, 0.0, 0.0) if plain else _numbers(found, "image_mean", path),
        std=(1.0, 1.0, 1.0) if plain else _numbers(found, "image_std", path),
        scale=float(str(found.get("rescale_factor", 1 / 255))) if found.get("do_rescale", True) else 1.0,
        background=background,
    )


def _sizes(found: Json, path: Path) -> tuple[int | tuple[int, int] | None, tuple[int, int] | None]:
    """What to resize to, and what to cut out of that."""
    resize = _size(found["size"], path) if found.get("do_resize", True) and "size" in found else None
    crop = _size(found["crop_size"], path) if found.get("do_center_crop") and "crop_size" in found else None
    if isinstance(crop, int):
        crop = (crop, crop)
    if isinstance(resize, int) and isinstance(share := found.get("crop_pct"), float):
        square = (resize, resize)
        return (int(resize / share), square) if resize < FULL else (square, None)
    return resize, crop


def _size(value: object, path: Path) -> int | tuple[int, int]:
    match value:
        case int():
            return value
        case {"shortest_edge": int(edge), **others} if not others:
            return edge
        case {"height": int(height), "width": int(width)}:
            return height, width
    raise EncoderError(f"{path} declares the size {value!r}, drift knows height and width, or shortest_edge")


def of_timm(found: Mapping[str, object], where: str, background: Background) -> Preprocessing:
    """The steps of timm's evaluation transform for a model's `pretrained_cfg`.

    Raises:
        EncoderError: one of them is not known.
    """
    size, mode = found.get("input_size", (3, 224, 224)), found.get("crop_mode") or "center"
    filter_ = FILTERS.get(str(found.get("interpolation") or "bilinear"))
    if not (isinstance(size, list | tuple) and len(size) == 3 and size[0] == 3) or mode not in {"center", "squash"}:
        raise EncoderError(f"{where} takes images of {size}, crop {mode}; drift knows 3 colours, center and squash")
    if filter_ is None:
        raise EncoderError(f"{where} resizes by {found.get('interpolation')}, drift knows {', '.join(FILTERS)}")
    height, width = int(size[1]), int(size[2])
    if height != width and mode == "center":
        raise EncoderError(f"{where} cuts {height} x {width} out of the middle; drift knows that for squares only")
    share = float(str(found.get("crop_pct") or 0.875))
    scaled = int(height / share), int(width / share)
    return Preprocessing(
        resize=scaled[0] if mode == "center" else scaled,
        crop=(height, width),
        resample=filter_,
        mean=_numbers(found, "mean", where),
        std=_numbers(found, "std", where),
        background=background,
    )


def _numbers(found: Mapping[str, object], name: str, where: object) -> tuple[float, ...]:
    value = found.get(name)
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise EncoderError(f"{where} needs {name} as three numbers, found {value!r}")
    return tuple(float(x) for x in value)


def _number(found: Json, name: str, where: object, *, default: int) -> int:
    value = found.get(name, default)
    if value not in set(Image.Resampling):
        raise EncoderError(f"{where} needs {name} as one of Pillow's filters, found {value!r}")
    return int(str(value))
