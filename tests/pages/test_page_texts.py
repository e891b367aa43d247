"""Sentences and languages."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from oic_session_ext.pages import Pages


@pytest.fixture
def translated(tmp_path: Path) -> Pages:
    """Pages with some German, some Swiss German, and one English sentence replaced."""
    locale = tmp_path / "locale"
    locale.mkdir()
    (locale / "de.json").write_text(json.dumps({"login.title": "Anmelden", "login.for_client": "weiter zu {client}"}), encoding="utf-8")
    (locale / "de-CH.json").write_text(json.dumps({"login.title": "Amelde"}), encoding="utf-8")
    (locale / "en.json").write_text(json.dumps({"brand": "Example University"}), encoding="utf-8")
    return Pages(override=tmp_path)


@pytest.mark.spec("RI-06")
@pytest.mark.parametrize("ui_locales", [(), ("xx-YY", "zz"), ("",), ("-",), ("../../etc/passwd",), ("\x00", "<b>"), ("e" * 10000,)])
def test_locales_that_we_do_not_have_fall_back_to_english(pages: Pages, ui_locales: tuple[str, ...]) -> None:
    page = pages.render("still_signed_in", ui_locales=ui_locales)

    assert b'<html lang="en" dir="ltr">' in page.body


@pytest.mark.parametrize(
    ("ui_locales", "title", "language"),
    [
        (("de",), "Anmelden", "de"),
        (("DE",), "Anmelden", "de"),
        (("de-AT",), "Anmelden", "de"),
        (("de-CH-1996",), "Amelde", "de-CH"),
        (("fr", "de"), "Anmelden", "de"),
        (("en-GB", "de"), "Sign in", "en"),
    ],
)
def test_the_first_wanted_language_that_we_have_is_used(translated: Pages, ui_locales: tuple[str, ...], title: str, language: str) -> None:
    page = translated.render(
        "login", ui_locales=ui_locales, action="/", csrf="", waiting="", login_hint=None, client_name=None, problem=None
    )

    assert f'<html lang="{language}"' in page.body.decode()
    assert f"<h1>{title}</h1>" in page.body.decode()
    assert translated.text("login.title", ui_locales) == title


def test_a_sentence_that_is_not_translated_is_english(translated: Pages) -> None:
    assert translated.text("login.password", ["de"]) == "Password"


def test_a_deployer_may_replace_one_sentence(translated: Pages) -> None:
    assert translated.text("brand") == "Example University"
    assert translated.text("login.title") == "Sign in"


def test_an_unknown_key_is_refused(pages: Pages) -> None:
    with pytest.raises(KeyError):
        pages.text("login.nothing")


def test_every_sentence_is_used_and_every_sentence_used_exists() -> None:
    package = files("oic_session_ext.pages")
    source = "".join(template.read_text(encoding="utf-8") for template in (package / "templates").iterdir())
    sentences = json.loads((package / "locale" / "en.json").read_text(encoding="utf-8"))

    named = set(re.findall(r'"((?:[a-z_]+\.)+[a-z_]+)"', source)) | set(re.findall(r't\("([a-z_]+)"', source))
    families = tuple(set(re.findall(r'"((?:[a-z_]+\.)+)" ~', source)))

    files_named = {name for name in named if name.endswith((".html", ".css", ".js", ".svg"))}
    assert named - files_named <= set(sentences)
    assert {key for key in sentences if key not in named and not key.startswith(families)} == set()
