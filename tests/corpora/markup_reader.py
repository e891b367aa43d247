"""A page as a browser's parser makes it of its bytes (HTML5), whatever is wrong with its tags."""

from __future__ import annotations

from typing import TypeAlias

from selectolax.lexbor import LexborHTMLParser

Element: TypeAlias = tuple[str, dict[str, str]]

_ADDRESSES = {"href", "src", "action", "formaction", "srcset", "data", "poster", "background", "xlink:href"}


def elements_of(page: bytes) -> list[Element]:
    """The elements in their order, each with its attributes; a comment is one too."""
    root = LexborHTMLParser(page).root
    return (
        [] if root is None else [(str(one.tag), {name: value or "" for name, value in one.attributes.items()}) for one in root.traverse()]
    )


def addresses_in(elements: list[Element]) -> list[str]:
    """Every address that the page loads, links to, sends a form to or moves on to."""
    found = [attributes[name] for _, attributes in elements for name in _ADDRESSES & attributes.keys()]
    moves = [attributes.get("content", "") for tag, attributes in elements if tag == "meta" and "http-equiv" in attributes]
    return found + [content.partition("url=")[2] for content in moves]
