"""Images in, vectors out: as transformers makes them, of every mode; what is no image costs no other its vector."""

import base64
import json
import struct
import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from image_models import PROCESSOR, clip, content, picture, url, vit
from PIL import Image

from drift.encoder.cache import CachedEncoder
from drift.encoder.images import MOST_PIXELS, Preprocessing, pixels_of, rgb
from drift.encoder.load import EncoderSpec, load
from drift.encoder.readable import encode_readable
from drift.encoder.vision import ImageEncoder
from drift.errors import EncoderError, UnreadableInputsError
from drift.records import data_url

PLAIN = Preprocessing(resize=None, crop=None)
IMAGES = [url(picture(seed, 40 + 8 * seed, 60, mode)) for seed, mode in enumerate(("RGB", "L", "RGB"))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def encoder(folder) -> ImageEncoder:
    return load(EncoderSpec(str(folder), pooling="cls", device="cpu", threads=1))


def pixel(image: Image.Image) -> tuple[int, ...]:
    return rgb(image, (255, 255, 255)).getpixel((0, 0))


def test_vectors_equal_those_of_transformers(folder, encoder):
    from transformers import AutoModel
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    pictures = [picture(seed, width, height) for seed, (width, height) in enumerate([(48, 64), (90, 60), (32, 32)])]
    pixels = ViTImageProcessorPil(**PROCESSOR)(pictures, return_tensors="pt")
    with torch.inference_mode():
        out = AutoModel.from_pretrained(folder).eval()(**pixels)
    inputs = [url(each) for each in pictures]
    wanted = {"cls": out.last_hidden_state[:, 0], "mean": out.last_hidden_state.mean(1), "head": out.pooler_output}
    for pooling, expected in wanted.items():
        ours = load(EncoderSpec(str(folder), pooling=pooling, device="cpu"))
        assert np.abs(ours.encode(inputs) - expected.numpy()).max() < 1e-5
    unit = load(EncoderSpec(str(folder), pooling="cls", normalise=True, device="cpu")).encode(inputs)
    assert unit == pytest.approx(torch.nn.functional.normalize(out.last_hidden_state[:, 0]).numpy(), abs=1e-5)


def test_a_model_of_texts_and_images_gives_its_image_features(tmp_path):
    from transformers import AutoModel

    folder = clip(tmp_path / "clip")
    ours = load(EncoderSpec(str(folder), device="cpu"))
    how = ours.vision.preprocessing
    pixels = torch.from_numpy(np.stack([pixels_of(each, how) for each in IMAGES])).permute(0, 3, 1, 2) / 255
    pixels = (pixels - torch.tensor(how.mean).view(3, 1, 1)) / torch.tensor(how.std).view(3, 1, 1)
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(folder).eval().get_image_features(pixel_values=pixels.float())
    assert ours.encode(IMAGES) == pytest.approx(expected.pooler_output.numpy(), abs=1e-5)
    with pytest.raises(EncoderError, match="leave out `pooling`"):
        load(EncoderSpec(str(folder), pooling="cls", device="cpu"))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "I;16", "I", "YCbCr"])
def test_an_image_of_any_mode_is_the_image_in_rgb(mode):
    """Grey, opaque and plain: what each of these modes can hold."""
    value = 255 if mode == "1" else 200
    grey = Image.new("L", (9, 7), value)
    if mode.startswith("I"):
        image = Image.fromarray(np.full((7, 9), value * 257 + 99, np.uint16 if mode == "I;16" else np.int32))
    else:
        image = grey.convert("RGB").convert(mode) if mode in {"CMYK", "YCbCr"} else grey.convert(mode)
    assert image.mode == mode
    assert rgb(image, (0, 0, 0)).mode == "RGB"
    assert np.abs(np.asarray(rgb(image, (0, 0, 0))).astype(int) - value).max() <= 1


def test_images_that_files_hold_in_odd_modes_are_encoded(encoder):
    base = picture(1)
    deep = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    kinds = [("PNG", base.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA")]
    kinds += [
        ("PNG", deep),
        ("JPEG", base.convert("CMYK")),
        ("JPEG", base.convert("L")),
        ("WEBP", base.convert("RGBA")),
    ]
    vectors = encoder.encode([url(image, kind) for kind, image in kinds])
    assert vectors.shape == (len(kinds), encoder.dim)
    assert np.isfinite(vectors).all()
    grey = encoder.encode([url(base.convert("L"))])
    assert encoder.encode([url(deep)]) == pytest.approx(grey, abs=1e-6)


def test_what_is_transparent_shows_the_background():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    half = Image.new("RGBA", (4, 4), (255, 0, 0, 128))
    palette = clear.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert pixel(clear) == pixel(palette) == (255, 255, 255)
    assert rgb(clear, (0, 0, 9)).getpixel((0, 0)) == (0, 0, 9)
    assert pixel(half) == (255, 127, 127)


def test_a_photograph_is_turned_as_its_camera_says():
    image = picture(2, 40, 20)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    turned = pixels_of(url(image, "PNG", exif=exif), PLAIN)
    assert turned.shape == (40, 20, 3)
    assert (turned == np.asarray(image.transpose(Image.Transpose.ROTATE_270))).all()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that says it has 10 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


WRONG = {
    "truncated": data_url(content(picture(3))[:-200]),
    "truncated photograph": data_url(content(picture(3), "JPEG")[:-200]),
    "a text": "What is the capital of France?",
    "empty": "",
    "no image": data_url(b"%PDF-1.7"),
    "another format": url(picture(3), "GIF"),
    "mangled base64": IMAGES[0][:-7] + "*" + IMAGES[0][-6:],
    "bomb": data_url(bomb()),
    "large": url(Image.new("1", (10_000, MOST_PIXELS // 10_000 + 1))),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_image_is_named_and_costs_no_other_its_vector(encoder, wrong):
    inputs = [IMAGES[0], wrong, IMAGES[1], wrong]
    with pytest.raises(
        UnreadableInputsError, match="2 of 4 inputs cannot be encoded; the first of them, at position 1"
    ):
        encoder.encode(inputs)
    for each in (encoder, CachedEncoder(encoder)):
        found = encode_readable(each, inputs)
        assert found.index.tolist() == [0, 2]
        assert list(found.faults) == [1, 3]
        assert found.vectors == pytest.approx(encoder.encode([IMAGES[0], IMAGES[1]]), abs=1e-6)


def test_faults_are_at_their_places_among_inputs_that_are_remembered(encoder, monkeypatch):
    monkeypatch.setattr("drift.encoder.cache.PIECE", 2)
    cached = CachedEncoder(encoder)
    cached.encode(IMAGES)
    found = encode_readable(cached, [IMAGES[2], "x", IMAGES[0], IMAGES[1], "y", "x"])
    assert found.index.tolist() == [0, 2, 3]
    assert sorted(found.faults) == [1, 4, 5]
    assert found.vectors == pytest.approx(encoder.encode([IMAGES[2], IMAGES[0], IMAGES[1]]), abs=1e-6)


def test_where_nothing_can_be_read_that_is_said(encoder):
    with pytest.raises(UnreadableInputsError, match="2 of 2"):
        encode_readable(encoder, ["a", "b"])
    assert encode_readable(encoder, []).vectors.shape == (0, encoder.dim)


@given(st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 2000), st.binary(min_size=1, max_size=9))
def test_mangled_bytes_are_an_image_or_a_fault(kind, at, mangled):
    whole = bytearray(content(picture(4, 12, 12), kind))
    at %= len(whole)
    whole[at : at + len(mangled)] = mangled
    given_ = "data:image/png;base64," + base64.b64encode(whole).decode()
    with suppress(ValueError):
        assert pixels_of(given_, PLAIN).ndim == 3


def test_an_image_that_would_be_resized_to_too_many_pixels_is_a_fault():
    with pytest.raises(ValueError, match="1 x 60000 pixels would be resized to 256 x"):
        pixels_of(url(Image.new("1", (1, 60_000))), replace(PLAIN, resize=256))


def test_out_of_memory_halves_the_batch_and_goes_on(encoder, monkeypatch):
    seen = []
    forward = ImageEncoder._forward

    def tight(self, images):
        seen.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("there is room for three")
        return forward(self, images)

    inputs = [url(picture(seed)) for seed in range(10)]
    expected = encoder.encode(inputs)
    monkeypatch.setattr(ImageEncoder, "_forward", tight)
    assert encoder.encode(inputs) == pytest.approx(expected, abs=1e-6)
    assert seen[:3] == [10, 5, 2]


def test_the_fingerprint_is_of_weights_preparation_and_numbers(folder, encoder, tmp_path):
    def named(path, **wanted) -> str:
        return load(EncoderSpec(str(path), **{"pooling": "cls", "device": "cpu", **wanted})).fingerprint

    changed = [
        named(folder, pooling="mean"),
        named(folder, normalise=True),
        named(folder, background=(0, 0, 0)),
        named(folder, deterministic=True),
        named(vit(tmp_path / "other weights", seed=1)),
        named(vit(tmp_path / "other filter", resample=2)),
    ]
    assert named(vit(tmp_path / "same")) == named(folder) == encoder.fingerprint
    assert len({encoder.fingerprint, *changed}) == 1 + len(changed)


def test_deterministic_vectors_do_not_depend_on_other_images(folder):
    alone = load(EncoderSpec(str(folder), pooling="cls", deterministic=True, device="cpu"))
    together = alone.encode(IMAGES)
    assert (together == np.concatenate([alone.encode([each]) for each in IMAGES])).all()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("processor", "said"),
    [
        ({"do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"size": {"longest_edge": 40}}, "longest_edge"),
        ({"image_std": [0.5]}, "image_std"),
        ({"resample": 17}, "resample"),
    ],
)
def test_a_preparation_that_is_not_known_is_refused(folder, tmp_path, processor, said):
    (copy := tmp_path / "model").mkdir()
    for path in folder.iterdir():
        (copy / path.name).symlink_to(path)
    (copy / "preprocessor_config.json").unlink()
    (copy / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | processor))
    with pytest.raises(EncoderError, match=said):
        load(EncoderSpec(str(copy), pooling="cls", device="cpu"))


def test_what_is_not_said_or_not_there_is_asked_for(folder, tmp_path):
    with pytest.raises(EncoderError, match="pooling to head or cls or mean, found None"):
        load(EncoderSpec(str(folder), device="cpu"))
    with pytest.raises(EncoderError, match="max_length and prefix are of texts"):
        load(EncoderSpec(str(folder), pooling="cls", max_length=12, device="cpu"))
    with pytest.raises(EncoderError, match="not the weights that were asked for"):
        load(EncoderSpec(str(folder), pooling="cls", weights_sha256="0" * 64, device="cpu"))
    weights = folder / "model.safetensors"
    with pytest.raises(EncoderError, match="set `architecture`"):
        load(EncoderSpec(str(weights), device="cpu"))
    with pytest.raises(EncoderError, match=r"one of timm/…, found 'mine/net'"):
        load(EncoderSpec(str(weights), architecture="mine/net", device="cpu"))
    (tmp_path / "config.json").write_text('{"architecture": "resnet18"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(EncoderError, match="never loaded"):
        load(EncoderSpec(str(tmp_path), device="cpu"))
