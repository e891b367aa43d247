"""Whatever a value holds, it stays text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from oic_session_ext.pages import Page
from oic_session_ext.pages.links import form_action, https_link

Render = Callable[..., Page]
Parse = Callable[[Page], Any]

PROBES = {
    "script": "<script>alert(1)</script>",
    "double quote": '"><img src=x onerror=alert(1)>',
    "single quote": "' autofocus onfocus=alert(1) x='",
    "close title": "</title></bdi></ul></form><svg onload=alert(1)>",
    "template": "{{ 7*7 }}{% raw %}{client}{0.__class__}",
    "entity": "&lt;script&gt;&quot;&#x3c;",
    "comment": "--><!--",
    "markup": "<b>%s</b>",
    "line ends": "a\r\nSet-Cookie: x=y",
    "controls": "\x00\x0b\u202e\u2028<",
    "lone surrogate": "\ud800<",
    "long": "<" * 5000,
}


def probed(value: Any, probe: str) -> Any:
    """`value` with every text in it replaced by the probe, but for a status, which is ours."""
    if isinstance(value, dict):
        return {key: item if key == "status" else probed(item, probe) for key, item in value.items()}
    if isinstance(value, list):
        return [probed(item, probe) for item in value]
    if isinstance(value, tuple):
        return tuple(probed(item, probe) for item in value)
    return probe


@pytest.mark.spec("SEC-11", "FC-09", "RI-08")
@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_no_value_adds_a_tag_or_an_attribute(
    render: Render, parse: Parse, contexts: dict[str, dict[str, Any]], page_name: str, probe: str
) -> None:
    values = {key: probed(value, probe) for key, value in contexts[page_name].items() if not key.endswith(("action", "_uri", "_uris"))}
    plain = {key: probed(value, "plain") for key, value in contexts[page_name].items() if not key.endswith(("action", "_uri", "_uris"))}

    shape, usual = ([(tag, sorted(attributes)) for tag, attributes in parse(render(page_name, **v)).tags] for v in (values, plain))

    assert shape == usual


@pytest.mark.spec("SEC-11")
@pytest.mark.parametrize("probe", [probe for probe in PROBES.values() if probe.isprintable()])
def test_hidden_fields_give_the_value_back_exactly(render: Render, parse: Parse, probe: str) -> None:
    fields = parse(render("form_post", fields=[(probe, probe)])).all("input")

    assert fields == [{"type": "hidden", "name": probe, "value": probe}]


@pytest.mark.spec("SEC-11")
def test_an_address_in_a_form_cannot_leave_its_attribute(render: Render, parse: Parse) -> None:
    page = render("form_post", action='https://rp.example.com/cb?x="><script>alert(1)</script>&a=1')

    (form,) = parse(page).all("form")
    assert form["action"] == 'https://rp.example.com/cb?x="><script>alert(1)</script>&a=1'
    assert all("src" in script for script in parse(page).all("script"))


@pytest.mark.spec("FC-09", "PY-06")
def test_an_address_in_a_frame_cannot_leave_its_attribute(render: Render, parse: Parse) -> None:
    uri = 'https://rp.example.com/fc?x="><script>alert(1)</script>&a=1'
    page = render("logged_out", frame_uris=[uri])

    assert [frame["src"] for frame in parse(page).all("iframe")] == [uri]
    assert b"&amp;a=1" in page.body
    assert len(parse(page).all("script")) == 1


@pytest.mark.spec("RI-43", "SEC-11")
def test_an_address_to_return_to_cannot_leave_its_attribute(render: Render, parse: Parse) -> None:
    uri = "https://rp.example.com/out?x=\"><script>alert(1)</script>&state=';url=https://evil.example/"
    document = parse(render("logged_out", redirect_uri=uri))

    assert [link["href"] for link in document.all("a")] == [uri]
    assert [meta["content"] for meta in document.all("meta") if meta.get("http-equiv")] == [f"6;url={uri}"]
    assert len(document.all("script")) == 1


HOSTILE_ACTIONS = [
    "javascript:alert(1)",
    "JAVASCRIPT:x",
    "java\tscript:x",
    " javascript:x",
    "data:text/html,x",
    "//evil.example",
    "/\\evil.example",
]


@pytest.mark.spec("SEC-03", "SEC-11")
@pytest.mark.parametrize("action", [*HOSTILE_ACTIONS, "", "login", "/a\nb", "https://a.example/ b"])
def test_a_form_is_not_sent_to_anything_but_a_path_or_an_http_url(action: str) -> None:
    with pytest.raises(ValueError, match="a form may only be sent"):
        form_action(action)


@pytest.mark.parametrize("action", ["/", "/login", "/op/login?x=1", "http://127.0.0.1:8081/cb", "https://rp.example.com/cb?a=1"])
def test_paths_and_http_urls_may_receive_a_form(action: str) -> None:
    assert form_action(action) == action


@pytest.mark.parametrize("action", HOSTILE_ACTIONS)
@pytest.mark.parametrize("name", ["login", "consent", "end_session_confirm", "form_post"])
def test_every_form_checks_where_it_is_sent(render: Render, name: str, action: str) -> None:
    with pytest.raises(ValueError, match="a form may only be sent"):
        render(name, action=action)


@pytest.mark.spec("FC-09", "SEC-11")
@pytest.mark.parametrize(
    "uri", [*HOSTILE_ACTIONS, "", "/fc", "com.example.app:/fc", "about:blank", "https://", "https://rp.example.com/ x"]
)
def test_only_web_pages_are_framed(render: Render, uri: str) -> None:
    with pytest.raises(ValueError, match="may be framed"):
        render("logged_out", frame_uris=[uri])


@pytest.mark.spec("SEC-03", "SEC-11")
@pytest.mark.parametrize("uri", [*HOSTILE_ACTIONS, "", "/out", "about:blank", "blob:https://rp.example.com/x", "a\nb:c", "view-source:x"])
def test_a_page_leads_neither_to_a_script_nor_to_a_path(render: Render, uri: str) -> None:
    with pytest.raises(ValueError, match="may only lead to an absolute URI"):
        render("logged_out", redirect_uri=uri)


@pytest.mark.spec("REG-05")
def test_a_page_may_lead_to_a_native_application(render: Render, parse: Parse) -> None:
    assert parse(render("logged_out", redirect_uri="com.example.app:/out")).all("a")[0]["href"] == "com.example.app:/out"


@pytest.mark.parametrize("name", ["home", "error"])
def test_every_sign_out_button_checks_where_it_is_sent(render: Render, name: str) -> None:
    with pytest.raises(ValueError, match="a form may only be sent"):
        render(name, sign_out_action="javascript:alert(1)")


@pytest.mark.spec("SEC-11")
@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://rp.example.com/",
        "//rp.example.com",
        "https:",
        "https://",
        "java\nscript:x",
        "https://[x",
        "",
        None,
        7,
    ],
)
def test_only_https_links_of_a_client_are_offered(render: Render, parse: Parse, url: object) -> None:
    for name in ("consent", "login"):
        page = render(name, client_uri=url, policy_uri=url, tos_uri=url, logo_uri=url)

        assert https_link(url) is None
        assert parse(page).all("a") == []
        assert parse(page).all("img") == parse(render(name)).all("img")  # the OP's own mark at most


@pytest.mark.parametrize("name", ["consent", "login"])
def test_a_logo_is_loaded_without_saying_from_where(render: Render, parse: Parse, name: str) -> None:
    url = 'https://rp.example.com/logo.png?"&x=<1>'

    (logo,) = [image for image in parse(render(name, logo_uri=url)).all("img") if image.get("class") == "logo"]

    assert (logo["src"], logo["alt"], logo["referrerpolicy"]) == (url, "", "no-referrer")


def test_links_on_the_consent_page_give_nothing_to_their_target(render: Render, parse: Parse) -> None:
    links = parse(render("consent")).all("a")

    assert [link["href"] for link in links] == ["https://rp.example.com/", "https://rp.example.com/privacy", "https://rp.example.com/terms"]
    assert {link["rel"] for link in links} == {"noopener noreferrer"}


def test_a_name_is_isolated_from_the_direction_of_the_sentence(render: Render) -> None:
    page = render("logged_out", client_name="\u202elive")

    assert '<bdi class="name">\u202elive</bdi>' in page.body.decode()
