"""The direction of knowledge, read from the imports: server and cli -> provider -> use cases -> values.

docs/index.md shows the layers; whoever moves a boundary changes the tables below, and says why there.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "oic_session_ext"

# From the outside in. A module may know its own layer and those below it.
LAYERS = ["cli", "server", "provider", "pages", "use cases", "values"]

VALUES = {"__init__", "clock", "errors", "model"}
FOLDER_LAYERS = {
    "cli": "cli",
    "server": "server",
    "provider": "provider",
    "pages": "pages",
    "store": "use cases",
    "propagation": "use cases",
}

# Which modules may import a third-party package that not everybody may: where a name here starts the module's own.
OWNERS = {
    "cherrypy": ("server",),
    "cheroot": ("server",),
    "beaker": ("server",),
    "ruamel": ("server",),
    "argon2": ("server",),
    "structlog": ("server",),
    "oic": ("provider", "server"),
    "jwkest": ("provider", "server"),
    "joserfc": ("jose", "provider"),
    "aiohttp": ("propagation",),
    "yarl": ("propagation",),
    "sqlalchemy": ("store.sql", "store.migrations"),
    "alembic": ("store.sql", "store.migrations"),
    "psycopg": ("store.sql", "store.__init__"),
    "redis": ("store.redis", "store.__init__"),
    "sqlite3": ("store.sql",),
    "jinja2": ("pages",),
    "markupsafe": ("pages",),
    "click": ("cli",),
    "pytest": ("testing",),
}

# Use cases speak to the store's interface; which engine is behind it is for those who put an OP together.
STORE_INTERFACE = {"store.base", "store.unit_of_work"}


def modules() -> list[str]:
    """The package's modules by dotted name without the package's own: `store.base`, `server.__init__`."""
    return sorted(".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in PACKAGE.rglob("*.py"))


def imports_of(module: str, source: str) -> set[str]:
    """What a module imports, wherever in it: third-party packages by name, our own modules as `.store.base`."""
    found: set[str] = set()
    folder = module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {_own(alias.name) or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                base = _own(node.module or "")
                if base is None:
                    found.add((node.module or "").partition(".")[0])
                    continue
            else:
                above = folder[: len(folder) - node.level + 1]
                base = "." + ".".join([*above, node.module] if node.module else above)
            found |= {_module_named(base, alias.name) for alias in node.names}
    return found


def _own(name: str) -> str | None:
    package, _, rest = name.partition(".")
    return "." + rest if package == PACKAGE.name else None


def _module_named(base: str, name: str) -> str:
    """The module that `from base import name` reads: `base.name` where that is a module itself."""
    inner = f"{base.rstrip('.')}.{name}"
    path = PACKAGE.joinpath(*inner.strip(".").split("."))
    return inner if path.with_suffix(".py").exists() or path.is_dir() else base


def layer_of(module: str) -> str:
    """The layer that a module belongs to."""
    first = module.partition(".")[0]
    return "values" if module in VALUES or not module else FOLDER_LAYERS.get(first, "use cases")


def faults_of(module: str, source: str) -> list[str]:
    """What a module imports against the rules, each as a sentence."""
    faults = []
    layer = layer_of(module)
    for imported in sorted(imports_of(module, source)):
        if not imported.startswith("."):
            owners = OWNERS.get(imported)
            if owners is not None and not module.startswith(owners):
                faults.append(f"{module} imports {imported}, which only {' and '.join(owners)} may know")
            continue
        name = imported[1:]
        theirs = layer_of(name)
        if LAYERS.index(theirs) < LAYERS.index(layer):
            faults.append(f"{module} ({layer}) imports {name} ({theirs}): knowledge goes from {theirs} to {layer}, not back")
        is_use_case = layer == "use cases" and not module.startswith(("store.", "testing"))
        if is_use_case and name.startswith("store") and name not in STORE_INTERFACE:
            faults.append(f"{module} (use cases) imports {name}: a use case knows {' and '.join(sorted(STORE_INTERFACE))} alone")
    return faults


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_layer_may_know(module: str) -> None:
    source = PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")

    assert not faults_of(module, source), "\n".join(faults_of(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("end_session", "import cherrypy", id="a use case, the web framework"),
        pytest.param("end_session", "def f():\n    from oic.oic import provider", id="a use case, pyoidc, in a function"),
        pytest.param("end_session", "from .store.sql import SqlStore", id="a use case, a store engine"),
        pytest.param("end_session", "from .store import open_store", id="a use case, the choice of an engine"),
        pytest.param("end_session", "from .pages import Pages", id="a use case, the pages"),
        pytest.param("end_session", "import oic_session_ext.provider.base", id="a use case, the provider, by its full name"),
        pytest.param("propagation.plan", "from ..provider import seam", id="a use case in a folder, the provider"),
        pytest.param("model", "from .settings import SessionManagementSettings", id="a value, a setting"),
        pytest.param("provider.seam", "from ..server import app", id="the provider, the server"),
        pytest.param("provider.seam", "from cherrypy import request", id="the provider, the web framework"),
        pytest.param("server.app", "from ..cli import main", id="the server, the command line"),
        pytest.param("store.memory", "import sqlalchemy.orm", id="one store engine, another's library"),
        pytest.param("cli.serve", "import cherrypy", id="the command line, the web framework"),
    ],
)
def test_an_import_against_the_layers_is_found(module: str, source: str) -> None:
    assert len(faults_of(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("end_session", "from .store.base import Store\nfrom .model import OpSession\nimport json", id="a use case"),
        pytest.param("store.sql_tables", "import sqlalchemy", id="the SQL engine"),
        pytest.param("provider.seam", "from ..end_session import start_end_session\nfrom oic.oic import provider", id="the provider"),
        pytest.param("server.app", "import cherrypy\nfrom ..provider import Provider\nfrom ..store import open_store", id="the server"),
        pytest.param("cli.serve", "import click\nfrom ..server import app", id="the command line"),
    ],
)
def test_an_import_along_the_layers_is_none_of_a_fault(module: str, source: str) -> None:
    assert faults_of(module, source) == []
