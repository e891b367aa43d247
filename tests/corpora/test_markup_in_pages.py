"""Every variable of every template with every hostile text: the page keeps its elements, attributes and addresses, as HTML5 parses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from jinja2 import Environment, PackageLoader, meta, nodes

from oic_session_ext.pages import Pages

from .corpus import corpus
from .markup_reader import Element, addresses_in, elements_of

CONTEXTS: dict[str, dict[str, Any]] = {
    "check_session": {
        "cookie_name": "op_browser_state",
        "loop_guard": "on",
        "script_url": "/a.js",
        "status_script_url": "/b.js",
        "status_url": "/session_status",
    },
    "consent": {
        "action": "/consent",
        "claims": ["https://claims.example.com/x"],
        "client_name": "Mail",
        "client_uri": "https://rp.example.com/",
        "csrf": "token",
        "logo_uri": "https://rp.example.com/logo.png",
        "policy_uri": "https://rp.example.com/privacy",
        "waiting": "r1",
        "scopes": ["openid", "calendar"],
        "tos_uri": "https://rp.example.com/terms",
        "username": "alice",
    },
    "end_session_confirm": {
        "action": "/end_session",
        "client_name": "Mail",
        "confirmation": "one-use",
        "problem": "invalid_id_token_hint",
        "username": "alice",
    },
    "error": {"description": "A parameter is missing.", "error": "invalid_request", "sign_out_action": "/end_session"},
    "form_post": {"action": "https://rp.example.com/cb", "fields": [("code", "abc"), ("state", "xyz")]},
    "home": {
        "applications": [("Mail", "https://mail.example.com/start")],
        "rps": ["Mail", "Wiki"],
        "sign_out_action": "/end_session",
        "username": "alice",
    },
    "logged_out": {
        "client_name": "Mail",
        "frame_uris": ["https://wiki.example.com/fc"],
        "read_ms": 6000,
        "redirect_uri": "https://mail.example.com/out",
        "refresh_s": 6,
        "rps": [{"name": "Mail", "status": "signed_out"}],
        "wait_ms": 4000,
    },
    "login": {
        "account": "alice",
        "action": "/login",
        "client_name": "Mail",
        "client_uri": "https://rp.example.com/",
        "csrf": "token",
        "login_hint": "alice",
        "logo_uri": "https://rp.example.com/logo.png",
        "policy_uri": "https://rp.example.com/privacy",
        "problem": "wrong_credentials",
        "waiting": "r1",
        "tos_uri": "https://rp.example.com/terms",
    },
    "still_signed_in": {},
    "unavailable": {},
}
GIVEN_BY_THE_RENDERER = {"language", "t", "has_text", "asset_url", "self"}
OURS_AND_GIVEN = {"account"}
"""What a template is given and makes something of under the same name."""
OURS = {"status", "script_url", "status_script_url", "refresh_s"}
"""Which of a list of sentences is shown, the OP's own scripts and a number of seconds: none comes from outside."""


@cache
def pages() -> Pages:
    return Pages()


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the texts and numbers of a template's values stand."""
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else None
    if inner is None:
        yield place
    else:
        for key, one in inner:
            if key not in OURS:
                yield from places(one, (*place, key))


def with_value(values: Any, place: tuple[Any, ...], text: str) -> Any:
    if not place:
        return text
    if isinstance(values, Mapping):
        return {key: with_value(one, place[1:], text) if key == place[0] else one for key, one in values.items()}
    return type(values)(with_value(one, place[1:], text) if key == place[0] else one for key, one in enumerate(values))


def parsed(name: str, values: dict[str, Any]) -> list[Element]:
    return elements_of(pages().render(name, **values).body)


def shape(elements: list[Element]) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in elements]


CASES = [(name, place) for name, values in CONTEXTS.items() for place in places(values)]


@pytest.mark.spec("SEC-11", "FC-09", "PY-06")
@pytest.mark.parametrize(("name", "place"), CASES, ids=[f"{name}-{'.'.join(map(str, place))}" for name, place in CASES])
def test_no_text_becomes_an_element_an_attribute_or_an_address_that_runs(name: str, place: tuple[Any, ...]) -> None:
    usual, is_address = shape(parsed(name, CONTEXTS[name])), _is_address(name, place)
    plain = usual if is_address else shape(parsed(name, with_value(CONTEXTS[name], place, "plain text")))
    for what, text in corpus("markup").items():
        try:
            elements = parsed(name, with_value(CONTEXTS[name], place, text))
        except ValueError:  # an address that a form, a frame or a link must not have
            assert is_address, what
            continue

        found = shape(elements)
        assert found in (usual, plain) or (is_address and _is_less(found, usual)), what
        for address in addresses_in(elements):
            assert not "".join(address.split()).lower().startswith(("javascript:", "data:", "vbscript:", "//", "/\\")), what


def _is_less(found: list[tuple[str, list[str]]], usual: list[tuple[str, list[str]]]) -> bool:
    """Tell whether a page has its usual elements but for some: a link or picture is left out where its address is not good."""
    remaining = iter(usual)
    return len(found) < len(usual) and all(any(one == other for other in remaining) for one in found)


def _is_address(name: str, place: tuple[Any, ...]) -> bool:
    is_named_so = any(str(part).endswith(("_uri", "_uris", "action", "_url")) for part in place)
    return is_named_so or (name == "home" and place[0] == "applications" and place[2] == 1)


@pytest.mark.parametrize("name", CONTEXTS)
def test_every_variable_of_a_template_is_tried(name: str) -> None:
    environment = Environment(loader=PackageLoader("oic_session_ext.pages"), autoescape=True)
    environment.filters |= dict.fromkeys(["form_action", "frame_uri", "https_link", "redirect_uri"], str)
    assert environment.loader is not None
    used: set[str] = set()
    pending = [f"{name}.html"]
    while pending:
        source = environment.loader.get_source(environment, pending.pop())[0]
        tree = environment.parse(source)
        imported = {alias if isinstance(alias, str) else alias[1] for one in tree.find_all(nodes.FromImport) for alias in one.names}
        made = {one.target.name for one in tree.find_all(nodes.Assign) if isinstance(one.target, nodes.Name)}
        made |= {one.target.name for one in tree.find_all(nodes.AssignBlock) if isinstance(one.target, nodes.Name)}
        used |= meta.find_undeclared_variables(tree) - imported - (made - OURS_AND_GIVEN)
        pending += [found for found in meta.find_referenced_templates(tree) if found and not found.startswith("_parts")]

    assert used - GIVEN_BY_THE_RENDERER == set(CONTEXTS[name])


def test_every_template_is_tried() -> None:
    loader = PackageLoader("oic_session_ext.pages")

    assert {name.removesuffix(".html") for name in loader.list_templates() if not name.startswith(("_", "base"))} == set(CONTEXTS)
