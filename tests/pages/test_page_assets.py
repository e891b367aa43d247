"""Assets under hashed names, and a deployer's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError

from oic_session_ext.pages import Pages


@pytest.mark.parametrize("name", ["style.css", "form_post.js", "mark.svg"])
def test_an_asset_is_served_under_a_name_with_its_hash(pages: Pages, name: str) -> None:
    stem, _, suffix = name.partition(".")
    url = pages.asset_url(name)

    assert re.fullmatch(rf"/assets/{stem}\.[0-9a-f]{{16}}\.{suffix}", url)
    assert pages.asset(url.removeprefix("/assets/")) is not None


def test_an_asset_may_be_kept_for_a_year(pages: Pages) -> None:
    asset = pages.asset(pages.asset_url("style.css").removeprefix("/assets/"))

    assert asset is not None
    headers = dict(asset.headers)
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == asset.content_type == "text/css; charset=utf-8"


@pytest.mark.parametrize("name", ["style.css", "style.0000000000000000.css", "../renderer.py", "", "style.css\x00"])
def test_a_name_without_the_right_hash_is_no_asset(pages: Pages, name: str) -> None:
    assert pages.asset(name) is None


def test_an_unknown_asset_has_no_url(pages: Pages) -> None:
    with pytest.raises(LookupError, match="no asset is called"):
        pages.asset_url("nothing.css")


@pytest.mark.parametrize("base", ["/op/assets", "/op/assets/"])
def test_the_base_of_the_urls_can_be_chosen(base: str) -> None:
    assert Pages(asset_base=base).asset_url("style.css").startswith("/op/assets/style.")


def test_a_stylesheet_of_the_override_folder_gets_a_name_of_its_own(tmp_path: Path, pages: Pages) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "style.css").write_text("body { color: navy }", encoding="utf-8")
    own = Pages(override=tmp_path)

    url = own.asset_url("style.css")
    assert url != pages.asset_url("style.css")
    assert url.encode() in own.render("still_signed_in").body
    assert own.asset_url("mark.svg") == pages.asset_url("mark.svg")


def test_files_of_other_types_are_not_served(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "page.html").write_text("<script>alert(1)</script>", encoding="utf-8")

    with pytest.raises(LookupError):
        Pages(override=tmp_path).asset_url("page.html")


def test_a_template_of_the_override_folder_takes_the_place_of_ours_alone(tmp_path: Path, pages: Pages) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "still_signed_in.html").write_text(
        '{% extends "base.html" %}{% block title %}Hello{% endblock %}{% block content %}<p>{{ extra }}</p>{% endblock %}', encoding="utf-8"
    )
    own = Pages(override=tmp_path)

    assert b"<p>&lt;b&gt;</p>" in own.render("still_signed_in", extra="<b>").body
    assert own.render("unavailable").body == pages.render("unavailable").body


def test_a_broken_template_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "login.html").write_text("{% if %}", encoding="utf-8")

    with pytest.raises(TemplateSyntaxError):
        Pages(override=tmp_path)


def test_an_override_folder_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        Pages(override=tmp_path / "missing")


def test_an_empty_override_folder_changes_nothing(tmp_path: Path, pages: Pages) -> None:
    assert Pages(override=tmp_path).render("unavailable") == pages.render("unavailable")
