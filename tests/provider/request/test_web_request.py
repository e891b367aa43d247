"""One request and one route, as WSGI gives them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from oic_session_ext.errors import Conflict, InvalidRequest, ProtocolError, StoreUnavailable
from oic_session_ext.provider import Route, WebRequest
from oic_session_ext.provider.request.responses import RawResponse, RedirectResponse, authorization_location, json_error, json_response
from oic_session_ext.provider.request.web_request import dispatch
from tests.provider.conftest import environ_of, not_found


def route(answer: Callable[..., Any] = lambda request: json_response({"path": request.path}), **kwargs: Any) -> Route:
    return Route("one", kwargs.pop("path", "/one"), kwargs.pop("methods", ("GET", "POST")), answer, **kwargs)


def send(application: Any, environ: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    seen: dict[str, Any] = {}
    body = application(environ, lambda status, headers: seen.update(status=int(status.split()[0]), headers=dict(headers)))
    return seen["status"], seen["headers"], b"".join(body)


# -- reading -----------------------------------------------------------------------------------------------------------------


def test_a_get_has_its_query_for_parameters() -> None:
    request = WebRequest.from_environ(environ_of("/a/b?x=1&y=%20", headers={"Cookie": "a=b", "X-Some-Thing": "1"}))

    assert (request.method, request.path, request.query, request.body) == ("GET", "/a/b", "x=1&y=%20", "")
    assert request.parameters() == "x=1&y=%20"
    assert request.cookie == "a=b"
    assert request.headers["x-some-thing"] == "1"
    assert request.remote == "192.0.2.1"


def test_a_post_has_its_form_for_parameters_and_not_its_query() -> None:
    assert WebRequest.from_environ(environ_of("/a?x=1", "POST", "y=2")).parameters() == "y=2"


def test_the_mount_point_is_part_of_the_path() -> None:
    environ = environ_of("/b") | {"SCRIPT_NAME": "/a"}

    assert WebRequest.from_environ(environ).path == "/a/b"


def test_no_cookie_is_none() -> None:
    assert WebRequest.from_environ(environ_of("/")).cookie is None


@pytest.mark.parametrize(
    "content_type", ["application/json", "", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form"]
)
def test_a_post_of_another_type_has_no_parameters(content_type: str) -> None:
    request = WebRequest.from_environ(environ_of("/", "POST", "a=1") | {"CONTENT_TYPE": content_type})

    with pytest.raises(InvalidRequest) as caught:
        request.parameters()
    assert caught.value.status == 415


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=UTF-8"])
def test_a_form_is_a_form_however_it_is_spelled(content_type: str) -> None:
    assert WebRequest.from_environ(environ_of("/", "POST", "a=1") | {"CONTENT_TYPE": content_type}).parameters() == "a=1"


@pytest.mark.spec("SEC-12")
@pytest.mark.parametrize(
    ("length", "status"),
    [("65537", 413), ("9" * 30, 413), ("9" * 5000, 413), ("-1", 411), ("1e3", 411), ("0x10", 411), ("²", 411), (" 5", 411), ("five", 411)],
    ids=["long", "longer", "longest", "negative", "float", "hex", "superscript", "space", "word"],
)
def test_a_length_that_is_too_much_or_none_is_refused_unread(length: str, status: int) -> None:
    class Unreadable:
        def read(self, _: Any) -> None:
            raise AssertionError("read")

    with pytest.raises(InvalidRequest) as caught:
        WebRequest.from_environ(environ_of("/", "POST", "x") | {"CONTENT_LENGTH": length, "wsgi.input": Unreadable()})
    assert caught.value.status == status


def test_a_chunked_body_of_no_known_length_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        WebRequest.from_environ(environ_of("/", "POST") | {"HTTP_TRANSFER_ENCODING": "chunked"})
    assert caught.value.status == 411


def test_a_body_that_is_no_utf_8_is_refused() -> None:
    environ = environ_of("/", "POST", "x") | {"wsgi.input": io.BytesIO(b"\xff"), "CONTENT_LENGTH": "1"}

    with pytest.raises(InvalidRequest):
        WebRequest.from_environ(environ)


def test_the_body_of_a_get_is_not_read() -> None:
    assert WebRequest.from_environ(environ_of("/", "GET", "x=1")).body == ""


# -- routes ------------------------------------------------------------------------------------------------------------------


def test_a_route_answers_its_path_and_methods() -> None:
    assert send(route(), environ_of("/one"))[0] == 200
    assert send(route(), environ_of("/one", "POST", "a=1"))[0] == 200
    assert send(route(), environ_of("/one/"))[0] == 404
    assert send(route(), environ_of("/two"))[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "get", "", "A\r\nB"])
def test_another_method_gets_a_405_with_what_is_allowed(method: str) -> None:
    status, headers, _ = send(route(), environ_of("/one", method))

    assert status == 405
    assert headers["Allow"] == "GET, POST"


def test_head_is_a_get_without_a_body() -> None:
    status, headers, body = send(route(), environ_of("/one", "HEAD"))

    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0
    assert send(route(methods=("POST",)), environ_of("/one", "HEAD"))[0] == 405


def test_a_path_that_ends_in_a_slash_stands_for_all_below() -> None:
    below = route(path="/files/")

    assert send(below, environ_of("/files/a/b"))[0] == 200
    assert send(below, environ_of("/files"))[0] == 404


def raising(error: Any) -> Callable[..., Any]:
    def answer(request: WebRequest) -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequest("no"), 400, "invalid_request"),
        (ProtocolError("no", error="teapot", status=418), 418, "teapot"),
        (StoreUnavailable("the password is hunter2"), 503, "temporarily_unavailable"),
        (Conflict(object()), 503, "temporarily_unavailable"),
        (RuntimeError("the password is hunter2"), 500, "server_error"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_is_an_answer_without_a_traceback(error: Any, status: int, code: str) -> None:
    answered, headers, body = send(route(raising(error)), environ_of("/one"))

    assert answered == status
    assert code.encode() in body
    assert b"hunter2" not in body
    assert ("Retry-After" in headers) == (status == 503)


def test_a_route_refuses_in_its_own_way() -> None:
    own = route(raising(InvalidRequest("no")), refuse=lambda error: RawResponse(b"own", error.status, [("Content-Type", "text/plain")]))

    assert send(own, environ_of("/one")) == (400, {"Content-Type": "text/plain", "Content-Length": "3"}, b"own")
    assert send(own, environ_of("/one", "POST", "x") | {"CONTENT_LENGTH": "x"})[2] == b"own"


def test_dispatch_prefers_the_exact_path_and_hands_the_rest_on() -> None:
    application = dispatch(
        [route(path="/a/"), route(lambda _: json_response({"exact": True}), path="/a/b")],
        not_found,
    )

    assert send(application, environ_of("/a/b"))[2] == b'{"exact": true}'
    assert send(application, environ_of("/a/c"))[2] == b'{"path": "/a/c"}'
    assert send(application, environ_of("/b"))[2] == b"theirs"


# -- responses ---------------------------------------------------------------------------------------------------------------


def test_a_body_is_sent_byte_for_byte() -> None:
    response = RawResponse(b"<script>\xff</script>", 200, [("Content-Type", "text/html")])

    assert send(response, {})[2] == b"<script>\xff</script>"


@pytest.mark.spec("RI-48")
def test_a_redirect_is_a_303_that_is_not_kept() -> None:
    status, headers, body = send(RedirectResponse("https://rp.example/x", [("Set-Cookie", "a=b")]), {})

    assert (status, body) == (303, b"")
    assert headers["Location"] == "https://rp.example/x"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Set-Cookie"] == "a=b"


def test_two_answers_do_not_share_their_headers() -> None:
    first, second = json_response({}), json_response({})
    first.headers.append(("Set-Cookie", "a=b"))

    assert ("Set-Cookie", "a=b") not in second.headers


def test_an_error_shows_its_description_and_keeps_its_detail() -> None:
    response = json_error(InvalidRequest("no", detail="the secret"), realm="x")

    assert b"the secret" not in response.message
    assert response.status_code == 400


@pytest.mark.parametrize(
    ("uri", "mode", "expected"),
    [
        ("https://rp/cb", "query", "https://rp/cb?a=b%20c%26"),
        ("https://rp/cb?x=%2F", "query", "https://rp/cb?x=%2F&a=b%20c%26"),
        ("https://rp/cb", "fragment", "https://rp/cb#a=b%20c%26"),
        ("https://rp/cb?x=1", "fragment", "https://rp/cb?x=1#a=b%20c%26"),
        ("com.example:/cb", "query", "com.example:/cb?a=b%20c%26"),
    ],
)
def test_parameters_are_added_to_the_uri_as_it_is(uri: str, mode: str, expected: str) -> None:
    assert authorization_location(uri, {"a": "b c&"}, mode) == expected
