"""What a GPU says of itself."""

from dataclasses import dataclass
from functools import cache
from typing import final

import structlog
import torch

try:
    from pynvml import NVMLError
except ModuleNotFoundError:  # of the extra `encoder`; torch says the same when it is asked
    NVMLError = ModuleNotFoundError

log = structlog.get_logger()


@final
@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that an encoder's model is on."""

    device: torch.device

    @property
    def memory(self) -> int:
        """Bytes that this process has held at most."""
        return torch.cuda.max_memory_allocated(self.device)

    @property
    def utilisation(self) -> float | None:
        """Share of NVML's last sample period, 1/6 s to 1 s, in which a kernel of any process ran, in [0, 1].

        None where NVML does not say: without its package or library, on a slice of a GPU (MIG), not permitted.
        """
        try:
            return torch.cuda.utilization(self.device) / 100
        except (NVMLError, ModuleNotFoundError, RuntimeError) as error:
            warn_of(str(error))
            return None


def gpu_of(device: torch.device) -> Gpu | None:
    """The GPU of that name; None for what is none."""
    return Gpu(device) if device.type == "cuda" else None


@cache
def warn_of(why: str) -> None:
    """Log once why utilisation is not known: it is asked for each second."""
    log.warning("GPU utilisation not read", why=why)
