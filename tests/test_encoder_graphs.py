"""Graphs as encoders: programs of torch.export and ONNX, of arrays and of texts, and none of them runs code."""

import io
import json
import pickle
import shutil
import warnings
import zipfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import reference, window

from drift.diagnosis import diagnose
from drift.encoder.fingerprint import Pooling
from drift.encoder.load import EncoderSpec, bundled, load
from drift.encoder.program_archive import is_size
from drift.encoder.readable import encode_readable
from drift.errors import EncoderError, UnreadableInputsError
from drift.records import array_url, data_url

TEXTS = ["", "a", "An ARRAY of Ünïcode, naïve café.", "\ud800 lone", *(f"number {n} " * n for n in range(2, 12))]
X = np.random.default_rng(0).standard_normal((40, 3, 5)).astype(np.float32)
INPUTS = [array_url(x) for x in X]
BATCH = torch.export.Dim("batch")


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(5, 4)

    def forward(self, features):
        return self.linear(features).relu().mean(1)


class States(torch.nn.Module):
    """A transformer's last layer, for those who export it."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


@pytest.fixture(scope="module")
def net() -> Net:
    torch.random.manual_seed(0)
    return Net().eval()


@pytest.fixture(scope="module")
def program(net, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    exported = torch.export.export(net, (torch.zeros(2, 3, 5),), dynamic_shapes={"features": {0: BATCH}})
    torch.export.save(exported, path)
    return path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A directory with the tokenizer and one layer of the bundled model, the encoder of it, and what is exported."""
    folder = tmp_path_factory.mktemp("texts")
    for path in bundled().rglob("*.*"):
        if path.is_file() and path.suffix in {".json", ".txt"}:
            (folder / path.relative_to(bundled())).parent.mkdir(exist_ok=True)
            shutil.copy(path, folder / path.relative_to(bundled()))
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 1}
    (folder / "config.json").write_text(json.dumps(config))
    shutil.copy(bundled() / "model.safetensors", folder)
    encoder = load(EncoderSpec(str(folder), device="cpu", threads=1))
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    ids, mask = (torch.ones(2, 7, dtype=torch.long) for _ in range(2))  # one tensor for both would be one input
    free = {0: BATCH, 1: torch.export.Dim("tokens", max=512)}
    shapes = {"input_ids": free, "attention_mask": free}
    exported = torch.export.export(States(encoder.model), (ids, mask), dynamic_shapes=shapes)
    return folder, encoder, exported


def test_a_program_of_arrays_gives_what_its_module_gives(net, program):
    encoder = load(EncoderSpec(str(program)))
    expected = net(torch.from_numpy(X)).detach().numpy()
    assert encoder.dim == 4
    assert encoder.encode(INPUTS) == pytest.approx(expected, abs=1e-6)
    unit = load(EncoderSpec(str(program), normalise=True))
    assert np.linalg.norm(unit.encode(INPUTS), axis=1) == pytest.approx(1, abs=1e-6)
    alone = load(EncoderSpec(str(program), deterministic=True))
    assert (alone.encode(INPUTS) == np.concatenate([alone.encode([each]) for each in INPUTS])).all()
    assert len({encoder.fingerprint, unit.fingerprint, alone.fingerprint}) == 3
    assert {"graph", "torch", "input"} < set(encoder.described)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (array_url(X[0, :2]), r"its shape is \[2, 5\], the model takes \[3, 5\]"),
        (array_url(X[0].astype(complex)), "complex128"),
        (array_url(np.full((3, 5), np.nan, np.float32)), "not finite"),
        (array_url(X[0])[:-8], "its header promises 60 bytes"),
        (data_url(pickle.dumps(X[0])), "no .npy file"),
        ("a text", "needed is a data URL"),
    ],
)
def test_what_is_no_such_array_is_named_and_costs_no_other_its_vector(program, wrong, said):
    encoder = load(EncoderSpec(str(program)))
    with pytest.raises(UnreadableInputsError, match=said):
        encoder.encode([INPUTS[0], wrong])
    found = encode_readable(encoder, [wrong, *INPUTS])
    assert found.vectors == pytest.approx(encoder.encode(INPUTS), abs=1e-6)
    assert list(found.faults) == [0]


def test_a_program_of_token_ids_equals_the_encoder_that_it_was_exported_from(texts):
    folder, encoder, exported = texts
    torch.export.save(exported, folder / "model.pt2")
    ours = load(EncoderSpec(str(folder / "model.pt2")))
    assert np.abs(ours.encode(TEXTS) - encoder.encode(TEXTS)).max() < 1e-5
    assert ours.described["pooling"] == "mean"
    assert ours.encode([]).shape == (0, 384)
    cls = load(EncoderSpec(str(folder / "model.pt2"), pooling="cls"))
    assert cls.fingerprint != ours.fingerprint
    (alone := folder / "alone").mkdir()
    shutil.move(folder / "model.pt2", alone / "model.pt2")
    assert load(EncoderSpec(str(alone / "model.pt2"))).fingerprint == ours.fingerprint
    (deeper := alone / "deeper").mkdir()
    shutil.move(alone / "model.pt2", deeper / "model.pt2")
    with pytest.raises(EncoderError, match="needs its tokenizer"):
        load(EncoderSpec(str(deeper / "model.pt2")))


def test_onnx_of_token_ids_equals_the_encoder_that_it_was_exported_from(texts):
    folder, encoder, exported = texts
    (folder / "onnx").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(exported, (), folder / "onnx" / "model.onnx", dynamo=True, verbose=False)
    ours = load(EncoderSpec(str(folder / "onnx" / "model.onnx"), threads=1))
    assert np.abs(ours.encode(TEXTS) - encoder.encode(TEXTS)).max() < 1e-5
    assert ours.described["providers"] == "CPUExecutionProvider"
    assert {"graph", "tokenizer", "onnxruntime"} < set(ours.described)


ASKED = tuple(
    f"{who} {what} number {n}, and then some more words of it"
    for n, (who, what) in enumerate(
        product(("Who has", "Where is", "Why not"), ("a letter", "the Red house", "my key"))
    )
)
SERVE = {
    "truncation": lambda encoder: with_recipe(encoder, max_length=6).encode(ASKED),
    "prefix": lambda encoder: with_recipe(encoder, prefix="query: ").encode(ASKED),
    "cls-pooling": lambda encoder: with_recipe(encoder, pooling=Pooling.CLS).encode(ASKED),
    "missing-special-tokens": lambda encoder: encoder.embed([row[1:-1] for row in encoder.tokenize(ASKED)]),
    "unknown": lambda encoder: encoder.encode(ASKED)[::-1] + 3 * encoder.encode(["something else"]),
}


def with_recipe(encoder, **changes):
    return replace(encoder, recipe=replace(encoder.recipe, **changes))


@pytest.mark.parametrize("cause", SERVE)
def test_a_diagnosis_knows_what_can_be_done_wrong_around_a_graph_and_says_what_it_did_not_try(texts, cause):
    folder, encoder, exported = texts
    torch.export.save(exported, folder / "model.pt2")
    ours = load(EncoderSpec(str(folder / "model.pt2"), threads=1))
    known = tuple(f"{text} {n}" for text in ASKED for n in range(8))
    of = window(SERVE[cause](encoder), inputs=ASKED)
    found = diagnose(of, reference(encoder.encode(known), inputs=known), ours, rng=np.random.default_rng(0)).causes[0]
    assert found.cause == cause
    assert ("Padding, layers and precision were not tried" in found.evidence) == (cause == "unknown")


def onnx_of_arrays(path: Path, *, dim: int = 4) -> np.ndarray:
    """`features @ weight` for features (n, 5); the weight."""
    import onnx

    weight = np.random.default_rng(dim).standard_normal((5, dim)).astype(np.float32)
    made = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["features", "weight"], ["vectors"])],
        "net",
        [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", 5])],
        [onnx.helper.make_tensor_value_info("vectors", onnx.TensorProto.FLOAT, ["n", dim])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    onnx.save(onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    return weight


def test_onnx_of_arrays(tmp_path):
    weight = onnx_of_arrays(tmp_path / "net.onnx")
    encoder = load(EncoderSpec(str(tmp_path / "net.onnx")))
    rows = X[:, 0]
    assert encoder.encode([array_url(x) for x in rows]) == pytest.approx(rows @ weight, abs=1e-5)
    assert encoder.encode([array_url(rows[0].astype(np.float64))]) == pytest.approx(rows[:1] @ weight, abs=1e-5)
    onnx_of_arrays(tmp_path / "other.onnx", dim=3)
    assert load(EncoderSpec(str(tmp_path / "other.onnx"))).fingerprint != encoder.fingerprint
    with pytest.raises(EncoderError, match="are of texts"):
        load(EncoderSpec(str(tmp_path / "net.onnx"), pooling="mean"))
    with pytest.raises(EncoderError, match="another model was asked for"):
        load(EncoderSpec(str(tmp_path / "net.onnx"), weights_sha256="0" * 64))
    (tmp_path / "net.onnx").write_bytes(b"no graph")
    with pytest.raises(EncoderError, match="cannot load"):
        load(EncoderSpec(str(tmp_path / "net.onnx")))


# Programs that would run code.


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(program: Path, target: Path, **changes: bytes) -> Path:
    """The program with other contents where a change's name ends an entry's, and a new entry where none does."""
    with zipfile.ZipFile(program) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            found = next((content for end, content in changes.items() if name.endswith(end)), None)
            new.writestr(name, old.read(name) if found is None else found)
        root = old.namelist()[0].partition("/")[0]
        for end, content in changes.items():
            if not any(name.endswith(end) for name in old.namelist()):
                new.writestr(f"{root}/{end}", content)
    return target


def graph_of(program: Path) -> str:
    with zipfile.ZipFile(program) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("model.json"))).decode()


def test_pickled_example_inputs_are_never_read(net, program, tmp_path):
    buffer = io.BytesIO()
    torch.save((Payload(tmp_path / "ran"),), buffer)
    hostile = rewritten(program, tmp_path / "hostile.pt2", **{"sample_inputs/model.pt": buffer.getvalue()})
    expected = net(torch.from_numpy(X)).detach().numpy()
    assert load(EncoderSpec(str(hostile))).encode(INPUTS) == pytest.approx(expected, abs=1e-6)
    assert not (tmp_path / "ran").exists()


def test_pickled_weights_are_refused_however_their_mark_is_written(program, tmp_path):
    with zipfile.ZipFile(program) as archive:
        name = next(name for name in archive.namelist() if name.endswith("model_weights_config.json"))
        plain = archive.read(name).decode()
    hostile = plain.replace('"use_pickle": false', '"\\u0075se_pickle": true')
    assert hostile != plain
    target = rewritten(program, tmp_path / "hostile.pt2", **{"model_weights_config.json": hostile.encode()})
    with pytest.raises(EncoderError, match="pickled tensors"):
        load(EncoderSpec(str(target)))


def test_guards_are_never_compiled(program, tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    graph = json.dumps(json.loads(graph_of(program)) | {"guards_code": [code]}).encode()
    load(EncoderSpec(str(rewritten(program, tmp_path / "hostile.pt2", **{"model.json": graph})))).encode(INPUTS[:1])
    assert not (tmp_path / "ran").exists()


CODE = "__import__('os').system('true')"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("Symbol('", f"{CODE} or Symbol('", "the size"),
        ("torch.ops.aten.linear.default", "torch.load", "the operator 'torch.load'"),
        ("torch.ops.aten.linear.default", "torch.ops.aten.from_file.default", "the operator"),
        ('"features"', '"features=print(1)"', "the name"),
        ('"linear.weight"', '"linear.weight;print(1)"', "the name"),
        ("builtins.dict", "collections.namedtuple", "a tree of collections.namedtuple"),
    ],
)
def test_a_graph_of_more_than_operators_and_sizes_is_refused(program, tmp_path, old, new, said):
    graph = graph_of(program)
    assert old in graph
    hostile = rewritten(program, tmp_path / "hostile.pt2", **{"model.json": graph.replace(old, new).encode()})
    with pytest.raises(EncoderError, match=said):
        load(EncoderSpec(str(hostile)))


def test_pickles_custom_objects_and_compiled_code_are_refused(program, tmp_path):
    for entry in ("data/constants/opaque_obj_0", "data/aotinductor/model/model.so", "data/weights/model.pt"):
        with pytest.raises(EncoderError, match="can run code"):
            load(EncoderSpec(str(rewritten(program, tmp_path / "hostile.pt2", **{entry: b"x"}))))
    with zipfile.ZipFile(program) as archive:
        name = next(name for name in archive.namelist() if name.endswith("weights_config.json"))
        config = archive.read(name).replace(b'"use_pickle": false', b'"use_pickle": true')
    with pytest.raises(EncoderError, match="pickled tensors"):
        load(EncoderSpec(str(rewritten(program, tmp_path / "hostile.pt2", **{"weights_config.json": config}))))
    (tmp_path / "text.pt2").write_text("no program")
    with pytest.raises(EncoderError, match=r"saved by torch\.export\.save"):
        load(EncoderSpec(str(tmp_path / "text.pt2")))


def test_sizes_are_arithmetic():
    for size in ("Symbol('s81', positive=True, integer=True)", "2*Symbol('s0') + 1", "FloorDiv(Symbol('u0'), 2)"):
        assert is_size(size)
    for code in (CODE, "().__class__", "[x for x in (1,)]", "Symbol('a b')", "9**9**9", "lambda: 1", "print(1)", ""):
        assert not is_size(code)
