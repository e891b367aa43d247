"""The private parts of cheroot that the HTTP layer depends on, by name: a release of cheroot that changes them fails here, with words."""

from __future__ import annotations

import ast
import inspect
from types import ModuleType

import cheroot.connections
import cheroot.makefile
import cheroot.server
import cheroot.wsgi
import pytest

from oic_session_ext.server.http import connection_manager, http_server

PRIVATE_PARTS_IN_USE = {"_connections"}
ASKED_OF_A_CONNECTION_MANAGER = {"run", "stop", "close", "put", "can_add_keepalive_connection"}
HOW_TO_REPAIR = "Read `_connections` in cheroot/server.py, adapt ConnectionManager and StrictServer.prepare, then this test and ADR 0017."


def _attributes(source: str) -> set[str]:
    return {node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)}


def _defined(source: str) -> set[str]:
    """Return the private names that a module gives to its own functions and instances."""
    tree = ast.parse(source)
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    stored = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    return {name for name in functions | stored if name.startswith("_") and not name.startswith("__")}


def _asked_of_connections(source: str) -> set[str]:
    """Return the attributes that are read from `self._connections`."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "_connections"
    }


def test_cheroot_asks_its_connection_manager_for_exactly_the_methods_that_ours_has() -> None:
    asked = _asked_of_connections(inspect.getsource(cheroot.server))

    assert asked == ASKED_OF_A_CONNECTION_MANAGER, f"cheroot {cheroot.__version__} asks for {sorted(asked)}. {HOW_TO_REPAIR}"


@pytest.mark.parametrize("name", sorted(ASKED_OF_A_CONNECTION_MANAGER))
def test_the_connection_manager_has_what_cheroot_asks_for(name: str) -> None:
    assert hasattr(connection_manager.ConnectionManager, name)


@pytest.mark.parametrize("name", ["run", "stop", "close", "put"])
def test_a_method_of_the_connection_manager_takes_the_parameters_of_the_one_that_it_replaces(name: str) -> None:
    ours = inspect.signature(getattr(connection_manager.ConnectionManager, name))
    theirs = inspect.signature(getattr(cheroot.connections.ConnectionManager, name))

    assert list(ours.parameters) == list(theirs.parameters), f"cheroot {cheroot.__version__} changed `{name}`. {HOW_TO_REPAIR}"


def test_cheroot_makes_its_connection_manager_while_it_prepares() -> None:
    source = inspect.getsource(cheroot.server.HTTPServer.prepare)

    assert "self._connections = " in source, f"cheroot {cheroot.__version__} makes it elsewhere. {HOW_TO_REPAIR}"


@pytest.mark.parametrize("module", [connection_manager, http_server], ids=["connection_manager", "http_server"])
def test_no_further_private_part_of_cheroot_is_used(module: ModuleType) -> None:
    source = inspect.getsource(module)
    theirs = [cheroot.server, cheroot.connections, cheroot.makefile, cheroot.wsgi]
    private = set().union(*(_defined(inspect.getsource(part)) for part in theirs))
    used = {name for name in _attributes(source) if name in private}

    assert used - (_defined(source) - PRIVATE_PARTS_IN_USE) <= PRIVATE_PARTS_IN_USE


@pytest.mark.parametrize("module", [connection_manager, http_server], ids=["connection_manager", "http_server"])
def test_no_private_name_of_ours_hides_one_of_the_cheroot_class_that_it_extends(module: ModuleType) -> None:
    hidden = set()
    for made in vars(module).values():
        if inspect.isclass(made) and made.__module__ == module.__name__:
            own = _defined(inspect.getsource(made))
            bases = [base for base in made.__mro__[1:] if base.__module__.startswith("cheroot.")]
            hidden |= {name for base in bases for name in own & _defined(inspect.getsource(base))}

    assert hidden <= PRIVATE_PARTS_IN_USE, f"cheroot {cheroot.__version__} has the private names {sorted(hidden)} too."


def test_a_connection_manager_that_is_asked_for_more_is_noticed() -> None:
    source = "class HTTPServer:\n    def tick(self):\n        self._connections.expire()\n"

    assert _asked_of_connections(source) - ASKED_OF_A_CONNECTION_MANAGER == {"expire"}
