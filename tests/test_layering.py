"""Which folder may import which, read from the imports: the floors of the house, and no circles.

docs/architecture.md shows the floors. A change that moves a boundary changes the tables below, and gives the reason there.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "oic_session_ext"

# From the outside in. A module may import its own folder and the floors below its own, never a neighbour on the same floor.
FLOORS: list[set[str]] = [
    {"__init__", "testing"},
    {"cli"},
    {"server"},
    {"provider"},
    {"pages"},
    {"logout"},
    {"session_management"},
    {"sessions"},
    {"cluster", "clients"},
    {"store"},
    {"claims", "event_log"},
    {"crypto", "web", "events"},
    {"model", "errors", "clock", "settings", "validation"},
]

# The modules of the last floor are values that import each other; the order is theirs, and has no circle.
SHARED_FLOOR = FLOORS[-1]

# Which modules may import a third-party package that not every module may: a name here starts the module's own.
OWNERS = {
    "cherrypy": ("server",),
    "cheroot": ("server",),
    "beaker": ("server",),
    "ruamel": ("server",),
    "argon2": ("server",),
    "structlog": ("server",),
    "oic": ("provider", "server"),
    "jwkest": ("provider", "server"),
    "joserfc": ("crypto.jose", "provider"),
    "aiohttp": ("web.outbound",),
    "yarl": ("web.outbound",),
    "sqlalchemy": ("store.sql",),
    "alembic": ("store.sql",),
    "psycopg": ("store.sql", "store.__init__"),
    "redis": ("store.redis", "store.__init__"),
    "sqlite3": ("store.sql",),
    "jinja2": ("pages",),
    "markupsafe": ("pages",),
    "click": ("cli",),
    "pytest": ("testing",),
}

# Below the provider no module depends on an engine: it imports the store's interface alone.
STORE_INTERFACE = {"store.base", "store.changes", "store.unit_of_work"}
MAY_CHOOSE_AN_ENGINE = {"__init__", "testing", "cli", "server", "store"}


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


def room_of(module: str) -> str:
    """Return the folder or the module at the package's top that a module belongs to."""
    return module.partition(".")[0] or "__init__"


def floor_of(room: str) -> int:
    """Return on which floor a room is, 0 for the outermost."""
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def faults_of(module: str, source: str) -> list[str]:
    """Return what a module imports against the rules, each as a sentence."""
    faults = []
    room = room_of(module)
    for imported in sorted(imports_of(module, source)):
        if not imported.startswith("."):
            owners = OWNERS.get(imported)
            if owners is not None and not module.startswith(owners):
                faults.append(f"{module} imports {imported}, which only {' and '.join(owners)} may import")
            continue
        name = imported[1:]
        if not name and room == "cli":  # the version, which the command prints
            continue
        theirs = room_of(name)
        if theirs != room and floor_of(theirs) <= floor_of(room) and not {room, theirs} <= SHARED_FLOOR:
            faults.append(f"{module} imports {name}: {theirs} is not on a floor below {room}")
        elif theirs == "store" and room not in MAY_CHOOSE_AN_ENGINE and name not in STORE_INTERFACE:
            faults.append(f"{module} imports {name}: it may import {' and '.join(sorted(STORE_INTERFACE))} of the store alone")
    return faults


def source_of(module: str) -> str:
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8")


def folders() -> list[str]:
    """The folders that hold modules, by dotted name, "" for the package itself."""
    return sorted({".".join(file.relative_to(PACKAGE).parts[:-1]) for file in PACKAGE.rglob("*.py")})


def members_of(folder: str, sources: dict[str, str]) -> dict[str, set[str]]:
    """Return which member of a folder imports which: its members are its modules and its folders, each of these as one."""
    prefix = f"{folder}." if folder else ""
    graph: dict[str, set[str]] = defaultdict(set)
    for module, source in sources.items():
        if not module.startswith(prefix):
            continue
        member = module.removeprefix(prefix).partition(".")[0]
        for imported in imports_of(module, source):
            name = imported[1:]
            if imported.startswith(".") and name.startswith(prefix) and name != folder:
                other = name.removeprefix(prefix).partition(".")[0]
                if other != member:
                    graph[member].add(other)
    return graph


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the members of a circle in their order, none where there is no circle."""
    done: set[str] = set()

    def visit(member: str, way: list[str]) -> list[str]:
        if member in way:
            return [*way[way.index(member) :], member]
        if member in done:
            return []
        for other in sorted(graph.get(member, ())):
            if found := visit(other, [*way, member]):
                return found
        done.add(member)
        return []

    return next(filter(None, (visit(member, []) for member in sorted(graph))), [])


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_is_below_it(module: str) -> None:
    faults = faults_of(module, source_of(module))

    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("folder", folders())
def test_the_members_of_a_folder_import_each_other_without_a_circle(folder: str) -> None:
    graph = members_of(folder, {module: source_of(module) for module in modules()})

    assert circle_in(graph) == []


def test_a_circle_is_found_with_its_members_in_order() -> None:
    sources = {
        "store.base": "from .sql.engine import SqlStore",
        "store.sql.engine": "from ..changes import PutGrant",
        "store.changes": "from .base import Store",
    }

    assert circle_in(members_of("store", sources)) == ["base", "sql", "changes", "base"]


def test_every_room_has_its_floor() -> None:
    rooms = [room for floor in FLOORS for room in floor]

    assert sorted(rooms) == sorted({room_of(module) for module in modules()})


def test_the_top_of_the_package_fits_on_one_screen() -> None:
    entries = [entry.name for entry in PACKAGE.iterdir() if entry.name != "__pycache__"]

    assert len(entries) <= 24


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("logout.end_session", "import cherrypy", id="a use case, the web framework"),
        pytest.param("logout.end_session", "def f():\n    from oic.oic import provider", id="a use case, pyoidc, in a function"),
        pytest.param("logout.end_session", "from ..store.sql.engine import SqlStore", id="a use case, a store engine"),
        pytest.param("logout.end_session", "from ..store import open_store", id="a use case, the choice of an engine"),
        pytest.param("logout.end_session", "from ..pages import Pages", id="a use case, the pages"),
        pytest.param("logout.end_session", "import oic_session_ext.provider.base", id="a use case, the provider, by its full name"),
        pytest.param("sessions.op_session", "from ..logout import report", id="sessions, the logout"),
        pytest.param("clients.registry", "from ..cluster import rotation", id="a neighbour on the same floor"),
        pytest.param("logout.backchannel.delivery", "from ...provider import base", id="a use case in a folder, the provider"),
        pytest.param("model", "from .web.origin import origin_of", id="a value, a parser"),
        pytest.param("provider.base", "from ..server import app", id="the provider, the server"),
        pytest.param("provider.base", "from cherrypy import request", id="the provider, the web framework"),
        pytest.param("server.app", "from ..cli import main", id="the server, the command line"),
        pytest.param("store.memory.engine", "import sqlalchemy.orm", id="one store engine, another's library"),
        pytest.param("cli.serve", "import cherrypy", id="the command line, the web framework"),
    ],
)
def test_an_import_against_the_floors_is_found(module: str, source: str) -> None:
    assert len(faults_of(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("logout.end_session", "from ..store.base import Store\nfrom ..model import OpSession\nimport json", id="a use case"),
        pytest.param("store.sql.tables", "import sqlalchemy", id="the SQL engine"),
        pytest.param("provider.base", "from ..logout.end_session import LoggedOut\nfrom oic.oic import provider", id="the provider"),
        pytest.param("server.app", "import cherrypy\nfrom ..provider import Provider\nfrom ..store import open_store", id="the server"),
        pytest.param("cli.serve", "import click\nfrom ..server import app", id="the command line"),
        pytest.param("settings", "from .errors import ConfigError", id="a value, another value"),
    ],
)
def test_an_import_along_the_floors_is_no_fault(module: str, source: str) -> None:
    assert faults_of(module, source) == []
