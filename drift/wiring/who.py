"""Who runs this process."""

import getpass
import os
import socket


def whoami() -> str:
    """User and host, as in "anna@gpu-7"; a user without a name, as containers have them, by number."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
