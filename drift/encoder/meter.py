"""What an encoder has done, and what that costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, final

HOUR: Final = 3600.0
MILLION: Final = 1_000_000


@final
@dataclass(slots=True)
class Meter:
    """Inputs that an encoder encoded, and the seconds that it took, since the process started. Safe between threads.

    What was remembered costs nothing and does not count. `name` is the model as it was declared, `load_seconds` how
    long it took to load, `price` what an hour of the machine costs, in any currency, 0 where nobody said.
    """

    name: str = ""
    load_seconds: float = 0.0
    price: float = 0.0
    inputs: int = 0
    seconds: float = 0.0
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

    @property
    def cost(self) -> float:
        """What the encoding has cost so far."""
        return self.seconds / HOUR * self.price

    @property
    def cost_per_million(self) -> float:
        """What a million inputs cost at the pace so far; 0 before the first."""
        return self.cost / self.inputs * MILLION if self.inputs else 0.0
