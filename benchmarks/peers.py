"""Environments of other libraries, which are no dependencies of ours: `.drift/peers/<name>`, made when first asked for.

`python -m benchmarks.peers` makes them all.
"""

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

HOME: Final = Path(".drift/peers")
PEERS: Final[Mapping[str, tuple[str, ...]]] = {
    "alibi-detect": ("alibi-detect==0.13.0", f"torch=={version('torch').partition('+')[0]}"),
    "evidently": ("evidently==0.7.21", "pandas<3"),
    "nannyml": ("nannyml==0.13.1", "statsmodels"),
    "frouros": ("frouros==0.9.0",),
    "sentence-transformers": (
        "sentence-transformers==6.2.0",
        f"transformers=={version('transformers')}",
        f"torch=={version('torch').partition('+')[0]}",
    ),
}
"""What is installed for each, from PyPI; the same torch as ours where it needs one."""


def peer_python(peer: str) -> Path:
    """The Python of an environment that holds `peer`; made if it is not there, which takes minutes.

    Raises:
        CalledProcessError: pip could not install it; it has said why.
    """
    home = HOME / peer
    python = home / "bin" / "python"
    if not (home / "ready").exists():
        Console(stderr=True).print(f"installing {peer} into {home} (a few minutes the first time)")
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[peer]], check=True)
        (home / "ready").touch()
    return python


def main() -> None:
    for peer in PEERS:
        print(peer, peer_python(peer))


if __name__ == "__main__":
    main()
