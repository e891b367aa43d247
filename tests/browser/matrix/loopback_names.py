"""Runs a script in a world where every name below `.example` is this machine: `python loopback_names.py SCRIPT ARGUMENT ...`."""

from __future__ import annotations

import runpy
import socket
import sys
from pathlib import Path
from typing import Any

_look_up = socket.getaddrinfo


def look_up(host: Any, *rest: Any, **more: Any) -> Any:
    """What `socket.getaddrinfo` answers, but for those names."""
    return _look_up("127.0.0.1" if str(host).endswith(".example") else host, *rest, **more)


socket.getaddrinfo = look_up
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).parent)
runpy.run_path(sys.argv[0], run_name="__main__")
