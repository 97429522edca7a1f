"""`python -m drift.wiring.child COMMAND…` becomes that command, which on Linux ends when its parent is killed."""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)  # what is ignored here would be ignored there
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606  the command is ours
