"""From a file with a graph (.pt2, .onnx) to an encoder: of texts where it takes token ids, else of arrays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from drift.encoder.fingerprint import Pooling, Recipe, sha256_of, sha256_of_all
from drift.encoder.layout import Declared, declared, tokenizer_files
from drift.errors import EncoderError

if TYPE_CHECKING:
    from drift.encoder.arrays import ArrayEncoder
    from drift.encoder.graphs import Graph
    from drift.encoder.load import EncoderSpec
    from drift.encoder.tokens import TokensEncoder

GRAPHS: Final = (".pt2", ".onnx")

Settled = Callable[["EncoderSpec", Declared, int | None, Path], Recipe]


def load_graph(spec: "EncoderSpec", path: Path, settled: Settled) -> "TokensEncoder | ArrayEncoder":
    """The encoder of a graph; `settled` makes the recipe of one that takes texts.

    Raises:
        EncoderError: it cannot be read, or lacks what it needs beside it.
    """
    from drift.encoder.arrays import ArrayEncoder  # noqa: PLC0415

    if spec.dtype != "float32" or spec.device is not None:
        raise EncoderError(
            f"{path} was exported for a dtype and a device and keeps to them: leave out `dtype` and `device`"
        )
    files = {"graph": sha256_of(path)}
    if path.suffix == ".onnx" and (beside := weights_beside(path)):
        files["weights"] = sha256_of_all(beside)
    if spec.weights_sha256 is not None and files["graph"] != spec.weights_sha256.lower():
        raise EncoderError(
            f"{path} needs sha256 {spec.weights_sha256}, found {files['graph']}: another model was asked for"
        )
    graph = read_graph(spec, path)
    if any(port.name == "input_ids" for port in graph.ports):
        return of_texts(spec, path, graph, files, settled)
    if spec.pooling is not None or spec.max_length is not None or spec.prefix is not None:
        raise EncoderError(f"pooling, max_length and prefix are of texts, and {path} takes arrays: leave them out")
    return ArrayEncoder(graph, files, normalise=bool(spec.normalise), deterministic=spec.deterministic)


def weights_beside(path: Path) -> list[Path]:
    """The files of the graph's folder that may hold its weights: ONNX names them as it likes."""
    graphs = (each for each in path.parent.iterdir() if each.is_file() and each != path)
    return sorted(each for each in graphs if each.suffix not in {".json", ".md", ".onnx", ".pt2", ".txt"})


def read_graph(spec: "EncoderSpec", path: Path) -> "Graph":
    """The graph, by what runs it."""
    if path.suffix == ".onnx":
        from drift.encoder.onnx_graph import read_onnx  # noqa: PLC0415

        return read_onnx(path, threads=spec.threads)
    from drift.encoder.programs import read_program  # noqa: PLC0415

    return read_program(path, deterministic=spec.deterministic)


def of_texts(
    spec: "EncoderSpec", path: Path, graph: "Graph", files: dict[str, str], settled: Settled
) -> "TokensEncoder":
    """A graph of token ids with the tokenizer beside it, or in the folder above, as sentence-transformers has it."""
    from drift.encoder.tokens import TokensEncoder, longest  # noqa: PLC0415
    from drift.encoder.transformer import read_tokenizer  # noqa: PLC0415

    folder = next((each for each in (path.parent, path.parent.parent) if tokenizer_files(each)), None)
    if folder is None:
        raise EncoderError(
            f"{path} takes token ids and needs its tokenizer (tokenizer.json or a vocabulary) in {path.parent} or "
            f"{path.parent.parent}: copy it there"
        )
    tokenizer = read_tokenizer(folder)
    limit = longest(graph, tokenizer)
    said = declared(folder)
    # A graph may pool itself, which shows when it runs: then no pooling needs to be declared.
    free = spec.pooling is None and said.pooling is None
    recipe = settled(replace(spec, pooling=Pooling.MEAN) if free else spec, said, limit, folder)
    sums = files | {"tokenizer": sha256_of_all(tokenizer_files(folder))}
    made = TokensEncoder(graph, tokenizer, recipe, sums, spec.deterministic)
    if free and not made.pools:
        settled(spec, said, limit, folder)  # says what is missing
    if spec.pooling is not None and made.pools:
        raise EncoderError(f"{path} gives a vector for each input, it pools by itself: leave out `pooling`")
    return made
