"""conf/demo.yaml on ports that are free, with its store in a folder of the test's own."""

from __future__ import annotations

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


def write_demo_config(folder: Path) -> DemoConfig:
    """Write the copy into `folder`; everything but ports and store is as in conf/demo.yaml."""
    text = (ROOT / "conf" / "demo.yaml").read_text()
    ports = {port: str(free_port()) for port in ("8080", "8081", "8082")}
    for known, free in ports.items():
        text = text.replace(known, free)
    text = text.replace("../var/demo/", "")
    file = folder / "demo.yaml"
    file.write_text(text)
    op, rp_a, rp_b = (f"http://localhost:{port}" for port in ports.values())
    return DemoConfig(file, op, rp_a, rp_b)
