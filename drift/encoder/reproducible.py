"""The same bits each time: torch's algorithms for that, for as long as a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

import torch

# What is switched is the whole process's: two blocks at once would leave it as the other one wanted it.
_TURN: Final = Lock()


@contextmanager
def reproducible(*, on: bool) -> Iterator[None]:
    """Have torch refuse algorithms that give other bits from run to run, where `on`.

    cuBLAS also wants CUBLAS_WORKSPACE_CONFIG in the environment before CUDA starts; torch says so where it is missing.
    """
    if not on:
        yield
        return
    with _TURN:
        was, warned = (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        )
        tuned = torch.backends.cudnn.benchmark
        torch.use_deterministic_algorithms(mode=True)
        torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode=was, warn_only=warned)
            torch.backends.cudnn.benchmark = tuned
