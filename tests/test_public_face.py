"""What `from oic_session_ext import ...` gives, and what it loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import oic_session_ext

ROOT = Path(__file__).resolve().parents[1]


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", oic_session_ext.__all__)
def test_every_name_of_the_interface_can_be_imported(name: str) -> None:
    assert getattr(oic_session_ext, name) is not None


def test_a_name_that_is_not_in_the_interface_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="SessionManager"):
        _ = oic_session_ext.SessionManager


def test_type_checkers_and_the_interpreter_find_the_same_names() -> None:
    tree = ast.parse(Path(oic_session_ext.__file__).read_text(encoding="utf-8"))
    checked = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level for alias in node.names}

    assert checked == set(oic_session_ext.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import oic_session_ext", {"oic", "jwkest", "pydantic", "jinja2", "sqlalchemy", "cherrypy", "aiohttp"}),
        ("from oic_session_ext import open_store, SecretRing", {"oic", "jinja2", "sqlalchemy", "cherrypy", "aiohttp"}),
        ("from oic_session_ext import Provider", {"sqlalchemy", "cherrypy", "beaker", "ruamel", "argon2", "click"}),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement: str, unwanted: set[str]) -> None:
    done = run(f"import sys; {statement}; print(*[name for name in {sorted(unwanted)!r} if name in sys.modules])")

    assert (done.stderr, done.stdout.split()) == ("", [])


def test_a_star_import_gives_the_interface() -> None:
    done = run("from oic_session_ext import *; print(Provider.__name__, open_store.__name__)")

    assert (done.stderr, done.stdout.split()) == ("", ["Provider", "open_store"])
