"""An exported program (`torch.export`) that runs: .pt2."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_unflatten

from drift.encoder.graphs import Arrays, Port
from drift.encoder.program_archive import harmless
from drift.encoder.reproducible import reproducible
from drift.errors import EncoderError

BROKEN: Final = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, AssertionError, SyntaxError, IndexError)
"""What torch raises on a program that is not as it should be."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A program on the device that it was exported for; `arguments` is how it takes its inputs, by place or name."""

    call: Callable[..., object]
    ports: tuple[Port, ...]
    arguments: TreeSpec
    device: str
    deterministic: bool = False

    @property
    def described(self) -> Mapping[str, str]:
        return {"torch": torch.__version__, "device": self.device}

    @torch.inference_mode()
    def run(self, arrays: Arrays) -> Float32[np.ndarray, "n *rest"]:
        given = [torch.from_numpy(np.ascontiguousarray(arrays[port.name])).to(self.device) for port in self.ports]
        args, kwargs = tree_unflatten(given, self.arguments)
        with reproducible(on=self.deterministic):
            out = self.call(*args, **kwargs)
        while isinstance(out, tuple | list | dict) and out:
            out = next(iter(out.values() if isinstance(out, dict) else out))
        if not isinstance(out, Tensor):
            raise EncoderError(f"a program needs to give a tensor first, this one gives {type(out).__name__}")
        found: Float32[np.ndarray, n * rest] = out.float().cpu().numpy()
        return found


def read_program(path: Path, *, deterministic: bool) -> Program:
    """The program at `path`.

    Raises:
        EncoderError: it holds more than a graph and tensors, cannot be read, or is for a device that is not here.
    """
    try:
        found = torch.export.load(harmless(path))
        names = [str(name) for name in found.graph_signature.user_inputs]
        nodes = {node.name: node.meta["val"] for node in found.graph.nodes if node.op == "placeholder"}
        ports = tuple(port_of(name, nodes[name]) for name in names)
        tensors = [*found.state_dict.values(), *found.constants.values()]
        device = next((x.device.type for x in tensors if isinstance(x, Tensor)), "cpu")
        return Program(found.module(check_guards=False), ports, found.call_spec.in_spec, device, deterministic)
    except BROKEN as fault:
        raise EncoderError(f"torch {torch.__version__} cannot load the program in {path}: {fault}") from fault


def port_of(name: str, value: object) -> Port:
    """The input that a placeholder stands for."""
    if not isinstance(value, Tensor):
        raise EncoderError(f"a program's inputs need to be tensors, {name} is {type(value).__name__}")
    dtype = torch.empty(0, dtype=value.dtype).numpy().dtype
    return Port(name, dtype, tuple(size if isinstance(size, int) else None for size in value.shape))
