"""conf/demo.yaml on ports that are free, with its store in a folder of the test's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.examples.rp_process import free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DemoConfig:
    """A settings file for `examples/demo.py`, and where its parts will be."""

    file: Path
    op: str
    rp_a: str
    rp_b: str
    rp_c: str
    rp_d: str
    rp_e: str
    gateway: str

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where all the parts are."""
        return (self.op, self.rp_a, self.rp_b, self.rp_c, self.rp_d, self.rp_e, self.gateway)


def write_demo_config(folder: Path, rps: int = 5) -> DemoConfig:
    """Write the copy into `folder`, with the first `rps` RPs; everything but ports and store is as in conf/demo.yaml."""
    text = (ROOT / "conf" / "demo.yaml").read_text()
    one_by_one = re.split(r"\n(?=\n  # .*\n  - client_id)", text)
    text = "\n".join(one_by_one[:rps]) + "\n"
    ports = {str(port): str(free_port()) for port in range(8080, 8087)}
    text = re.sub(r"\b808[0-6]\b", lambda known: ports[known[0]], text)
    text = text.replace("../var/demo/", "")
    file = folder / "demo.yaml"
    file.write_text(text)
    return DemoConfig(file, *(f"http://localhost:{port}" for port in ports.values()))
