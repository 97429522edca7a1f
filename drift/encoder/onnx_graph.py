"""A model in ONNX that runs on the CPU, by ONNX Runtime: an extra (`drift[onnx]`)."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import numpy as np
from jaxtyping import Float32

from drift.encoder.graphs import Arrays, Port
from drift.errors import EncoderError

if TYPE_CHECKING:
    import onnxruntime

PROVIDERS: Final = ("CPUExecutionProvider",)
TYPES: Final = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(bool)": "bool",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """A graph in a session of ONNX Runtime, which threads may share."""

    session: "onnxruntime.InferenceSession"
    ports: tuple[Port, ...]
    version: str

    @property
    def described(self) -> Mapping[str, str]:
        return {
            "onnxruntime": self.version,
            "providers": ", ".join(self.session.get_providers()),
            "device": "cpu",
            "optimisation": str(self.session.get_session_options().graph_optimization_level).rpartition(".")[2],
        }

    def run(self, arrays: Arrays) -> Float32[np.ndarray, "n *rest"]:
        output = self.session.get_outputs()[0].name
        (found,) = self.session.run([output], dict(arrays))
        result: Float32[np.ndarray, n * rest] = np.asarray(found, np.float32)
        return result


def read_onnx(path: Path, *, threads: int | None) -> OnnxGraph:
    """The graph at `path`, with the operators that ONNX Runtime has itself: no library of others is ever loaded.

    Raises:
        EncoderError: ONNX Runtime is not installed, or cannot load the graph.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise EncoderError("a model in ONNX needs onnxruntime, which is not installed: pip install drift[onnx]")
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(path, options, providers=list(PROVIDERS))
    except Exception as fault:
        raise EncoderError(f"onnxruntime {onnxruntime.__version__} cannot load {path}: {fault}") from fault
    return OnnxGraph(session, tuple(port_of(each) for each in session.get_inputs()), str(onnxruntime.__version__))


def port_of(node: "onnxruntime.NodeArg") -> Port:
    """An input as the graph declares it."""
    if node.type not in TYPES:
        raise EncoderError(f"a model's inputs need to be tensors of numbers, {node.name} is {node.type}")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Port(node.name, np.dtype(TYPES[node.type]), shape)
