"""Where this OP answers, and where it keeps what must outlive it."""

from __future__ import annotations

import os
from pathlib import Path

PORT = int(os.environ.get("OWN_OP_PORT", "8090"))
ISSUER = f"http://localhost:{PORT}"
DATA = Path(os.environ.get("OWN_OP_DATA", "var/own_op")).absolute()
