"""What an encoder has done, and what that costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from drift.encoder.gpu import Gpu

HOUR: Final = 3600.0
MILLION: Final = 1_000_000
LOOK_SECONDS: Final = 1.0
"""NVML's longest sample period: asked more often it would say the same again."""


@final
@dataclass(slots=True)
class Meter:
    """Inputs that an encoder encoded, and the seconds that it took, since the process started. Safe between threads.

    What was remembered costs nothing and does not count. `name` is the model as it was declared, `load_seconds` how
    long it took to load, `price` what an hour of the machine costs, in any currency, 0 where nobody said.
    `gpu_utilisation` is how busy the GPU was when it was last looked at, in [0, 1]; None on a CPU, and where unknown.
    """

    name: str = ""
    load_seconds: float = 0.0
    price: float = 0.0
    inputs: int = 0
    seconds: float = 0.0
    gpu_utilisation: float | None = None
    _looked_at: float = field(default=float("-inf"), repr=False)
    _turn: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def encoding(self, inputs: int) -> Iterator[None]:
        """Count `inputs`, and the time that the block takes; nothing where it fails."""
        start = time.perf_counter()
        yield
        took = time.perf_counter() - start
        with self._turn:
            self.inputs += inputs
            self.seconds += took

    def look(self, gpu: "Gpu") -> None:
        """See how busy `gpu` was in the time up to now, in which it encoded; not twice within a second."""
        with self._turn:
            if time.perf_counter() - self._looked_at >= LOOK_SECONDS:
                self.gpu_utilisation = gpu.utilisation
                self._looked_at = time.perf_counter()

    @property
    def cost(self) -> float:
        """What the encoding has cost so far."""
        return self.seconds / HOUR * self.price

    @property
    def cost_per_million(self) -> float:
        """What a million inputs cost at the pace so far; 0 before the first."""
        return self.cost / self.inputs * MILLION if self.inputs else 0.0
