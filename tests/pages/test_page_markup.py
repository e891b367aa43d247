"""What is true of the HTML of every page: well-formed, accessible, no inline code, nothing from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest

from oic_session_ext.pages import Page, Pages

Render = Callable[..., Page]
Parse = Callable[[Page], Any]


def test_the_tags_of_every_page_balance(render: Render, parse: Parse, page_name: str) -> None:
    assert parse(render(page_name)).faults == []


@pytest.mark.spec("SEC-11")
def test_no_page_has_inline_style_script_or_event_handlers(render: Render, parse: Parse, page_name: str) -> None:
    document = parse(render(page_name))

    assert document.all("style") == []
    assert all("src" in script for script in document.all("script"))
    assert [name for _, attributes in document.tags for name in attributes if name == "style" or name.startswith("on")] == []


def test_every_page_loads_only_its_own_assets(render: Render, parse: Parse, pages: Pages, page_name: str) -> None:
    document = parse(render(page_name))
    loaded = [attributes["src"] for tag, attributes in document.tags if "src" in attributes and tag != "iframe"]
    loaded += [link["href"] for link in document.all("link")]

    assert loaded
    assert all(pages.asset(url.removeprefix("/assets/")) is not None for url in loaded)


def test_every_field_has_a_label(render: Render, parse: Parse, page_name: str) -> None:
    document = parse(render(page_name))
    labelled = {label["for"] for label in document.all("label")}

    assert [field for field in document.all("input") if field["type"] != "hidden" and field.get("id") not in labelled] == []


def test_every_page_has_a_title_one_main_heading_and_a_language(render: Render, parse: Parse, page_name: str) -> None:
    document = parse(render(page_name))

    assert len(document.all("title")) == len(document.all("h1")) == len(document.all("main")) == 1
    assert document.all("html") == [{"lang": "en", "dir": "ltr"}]


def test_every_id_is_used_once_and_every_reference_has_its_target(render: Render, parse: Parse, page_name: str) -> None:
    document = parse(render(page_name))
    ids = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    references = [
        attributes[name] for _, attributes in document.tags for name in ("aria-describedby", "aria-labelledby") if name in attributes
    ]

    assert len(ids) == len(set(ids))
    assert set(references) <= set(ids)


SEEN_BY_NOBODY = {"check_session.html"}
TEMPLATES = {file.name for file in (files("oic_session_ext.pages") / "templates").iterdir()}


@pytest.mark.parametrize("template", sorted(TEMPLATES - SEEN_BY_NOBODY))
def test_templates_hold_no_prose(template: str) -> None:
    source = (files("oic_session_ext.pages") / "templates" / template).read_text(encoding="utf-8")
    tokens = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", "", tokens)

    assert re.findall(r"\w+", text) == []


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground", "at_least"),
    [
        ("ink", "card", 4.5),
        ("ink", "hover", 4.5),
        ("ink-quiet", "card", 4.5),
        ("accent", "card", 4.5),
        ("on-button", "button", 4.5),
        ("on-button", "button-hover", 4.5),
        ("notice", "notice-ground", 4.5),
        ("notice", "card", 4.5),
        ("line-strong", "card", 3),
        ("accent", "ground", 3),
        ("button", "card", 3),
    ],
)
def test_colours_meet_wcag_aa(scheme: str, text: str, ground: str, at_least: float) -> None:
    css = (files("oic_session_ext.pages") / "static" / "style.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL))
    colours = light if scheme == "light" else dark

    lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)

    assert (lighter + 0.05) / (darker + 0.05) >= at_least
