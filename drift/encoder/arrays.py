"""Encoder of arrays, each given as a data URL with a `.npy` file: features, sound, or what else a model takes."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float32

from drift.encoder.batches import CPU_ROWS, in_batches
from drift.encoder.fingerprint import digest_of
from drift.encoder.graphs import Graph, Port, finished
from drift.errors import EncoderError, UnreadableInputsError
from drift.records import content_of

MOST_BYTES: Final = 64 << 20
FREE: Final = 16
"""Length of an axis that may have any, in the array that shows how long a vector is."""

Array = npt.NDArray[np.generic]


@final
@dataclass(frozen=True, slots=True, eq=False)
class ArrayEncoder:
    """Embeds arrays by a graph with one input. Safe to share between threads as far as the graph is.

    `files` are sha256 by what the file is; `deterministic` gives the graph each array alone.
    """

    graph: Graph
    files: Mapping[str, str]
    normalise: bool = False
    deterministic: bool = False
    dim: int = field(init=False)

    def __post_init__(self) -> None:
        if len(self.graph.ports) != 1:
            names = "; ".join(map(str, self.graph.ports))
            raise EncoderError(f"a model of arrays needs one input, this one has {len(self.graph.ports)}: {names}")
        shape = [FREE if size is None else size for size in self.port.shape[1:]]
        object.__setattr__(self, "dim", self._forward([np.zeros(shape, self.port.dtype)]).shape[1])

    @property
    def port(self) -> Port:
        return self.graph.ports[0]

    @property
    def described(self) -> Mapping[str, str]:
        """Everything that decides the numbers, part by part."""
        return {
            **self.files,
            "input": str(self.port),
            "normalise": str(self.normalise),
            "deterministic": str(self.deterministic),
            **self.graph.described,
        }

    @property
    def fingerprint(self) -> str:
        return digest_of(dict(self.described))

    def encode(self, inputs: Sequence[str]) -> Float32[np.ndarray, "n d"]:
        """One row per array, in the order given; unit length if the encoder normalises.

        Raises:
            UnreadableInputsError: some inputs carry no array of the type and shape that the model takes.
        """
        arrays: list[Array] = []
        faults: dict[int, str] = {}
        for at, text in enumerate(inputs):
            try:
                arrays.append(array_of(text, self.port))
            except ValueError as error:
                faults[at] = str(error)
        if faults:
            raise UnreadableInputsError(faults, len(inputs))
        vectors = np.empty((len(inputs), self.dim), np.float32)
        fixed = self.deterministic or self.port.shape[0] == 1
        for shape in {array.shape for array in arrays}:
            at_ = [i for i, array in enumerate(arrays) if array.shape == shape]
            vectors[at_] = in_batches([arrays[i] for i in at_], 1 if fixed else CPU_ROWS, self._forward)
        return vectors

    def _forward(self, arrays: Sequence[Array]) -> Float32[np.ndarray, "n d"]:
        vectors = self.graph.run({self.port.name: np.stack(arrays)})
        if vectors.ndim != 2 or len(vectors) != len(arrays):
            raise EncoderError(f"a model needs to give a vector for each input, this one gives {vectors.shape}")
        return finished(vectors, normalise=self.normalise)


def array_of(text: str, port: Port) -> Array:
    """The array that an input carries, as `port` takes it.

    Raises:
        ValueError: it carries none, or one of another type or shape, or with numbers that are not finite.
    """
    found = read_npy(content_of(text, MOST_BYTES))
    wanted = port.shape[1:]
    if len(found.shape) != len(wanted) or any(
        size not in {None, n} for size, n in zip(wanted, found.shape, strict=True)
    ):
        raise ValueError(f"its shape is {list(found.shape)}, the model takes {list(wanted)}")
    if not np.can_cast(found.dtype, port.dtype, "same_kind"):
        raise ValueError(f"its numbers are {found.dtype}, the model takes {port.dtype}")
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ValueError("it has numbers that are not finite")
    return found.astype(port.dtype)


def read_npy(content: bytes) -> Array:
    """The array of a `.npy` file that is whole: its header may not say more than is there. Raises ValueError."""
    buffer = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(buffer)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read_header(buffer)
    except (ValueError, EOFError, TypeError, SyntaxError, OverflowError) as error:
        raise ValueError(f"it is no .npy file: {error}") from error
    if dtype.kind not in "biuf":
        raise ValueError(f"its numbers are {dtype}, needed are numbers")
    size, rest = int(np.prod(shape, dtype=object)) * dtype.itemsize, len(content) - buffer.tell()
    if size != rest:
        raise ValueError(f"its header promises {size} bytes of numbers, it has {rest}")
    return np.frombuffer(content, dtype, offset=buffer.tell()).reshape(shape, order="F" if by_column else "C")
