"""Inputs that are not text: an image or an array, written as a data URL (RFC 2397) that goes where texts go."""

import base64
import binascii
import io
import re
from typing import Final

import numpy as np
import numpy.typing as npt

NPY: Final = "application/x-npy"
UNKNOWN_MEDIA: Final = "application/octet-stream"
HEAD: Final = re.compile(r"data:([\w.+-]{1,63}/[\w.+-]{1,63});base64,", re.ASCII)
MAGIC: Final = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp", b"\x93NUMPY": NPY}


def is_data(text: str) -> bool:
    """Whether an input is a data URL, and so no text."""
    return HEAD.match(text) is not None


def data_url(content: bytes) -> str:
    """The input that carries an image (PNG, JPEG or WebP) or a `.npy` file; other bytes, one that nothing reads."""
    media = next((media for magic, media in MAGIC.items() if content.startswith(magic)), UNKNOWN_MEDIA)
    return f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"


def array_url(array: npt.NDArray[np.generic]) -> str:
    """The input that carries an array."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return data_url(buffer.getvalue())


def content_of(text: str, most: int) -> bytes:
    """The bytes that a data URL carries, at most `most`.

    Raises:
        ValueError: it is no data URL, is too long, or its base64 is cut or mangled.
    """
    found = HEAD.match(text)
    if found is None:
        raise ValueError(f"needed is a data URL (data:image/png;base64,…), found {text[:40]!r}")
    if (size := (len(text) - found.end()) * 3 // 4) > most:
        raise ValueError(f"it has {size} bytes, at most {most} are read")
    try:
        return base64.b64decode(text[found.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"its base64 cannot be read: {error}") from error
