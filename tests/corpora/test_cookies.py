"""Session fixation and cookie tossing: what somebody planted in a browser signs nobody in as another, and stops nobody from signing in."""

from __future__ import annotations

import pytest

from tests.bundled_op import Op, OpBrowser, make_settings

STATES = ["op_session", "op_browser_state", "op_login"]


@pytest.fixture(scope="module", params=["http://localhost:8080", "https://localhost:8443"], ids=["http", "https"])
def op(request: pytest.FixtureRequest, keys_file: str) -> Op:
    return Op.build(make_settings(keys_file, issuer=request.param))


def names_of(op: Op) -> dict[str, str]:
    prefix = "__Host-" if op.settings.issuer.startswith("https") else ""
    return {name: prefix + name for name in STATES}


def user_of(browser: OpBrowser, cookies: str) -> str | None:
    """Whom the front page greets when the browser sends this header; what is set in answer is not kept."""
    page = browser.send("GET", "/", headers={"Cookie": cookies} if cookies else {})
    assert page.status == 200
    return next((name for name in ("alice", "bob") if f">{name}<" in page.text), None)


def header_of(jar: dict[str, str], *more: str) -> str:
    return "; ".join([*more, *(f"{name}={value}" for name, value in jar.items())])


# -- fixation ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("SEC-15", "SM-12")
def test_a_login_takes_nothing_over_that_was_planted_before_it(op: Op) -> None:
    names, attacker, victim = names_of(op), op.browser(), op.browser()
    attacker.sign_in(user="bob")
    attacker.login_page(prompt="login")
    planted = attacker.jar.copy()
    victim.jar = planted.copy()

    victim.sign_in(user="alice", prompt="login")

    assert {name: victim.jar[name] for name in (names["op_session"], names["op_browser_state"])}.items().isdisjoint(planted.items())
    assert user_of(op.browser(), header_of(victim.jar)) == "alice"
    assert user_of(op.browser(), header_of(planted)) is None  # bob's session has ended with alice's login in its browser
    assert user_of(op.browser(), header_of({names["op_login"]: victim.jar[names["op_login"]]})) is None


@pytest.mark.spec("SEC-15")
@pytest.mark.parametrize("value", ["x" * 43, "A" * 43, "deadbeef", "0" * 40 + "deadbeef", "0" * 72, ""])
@pytest.mark.parametrize("cookie", STATES)
def test_a_value_that_we_did_not_make_is_never_adopted(op: Op, cookie: str, value: str) -> None:
    name, browser = names_of(op)[cookie], op.browser()
    browser.jar[name] = value

    browser.sign_in()

    assert browser.jar[name] != value
    assert user_of(op.browser(), f"{name}={value}") is None


@pytest.mark.spec("SEC-15")
def test_the_login_pages_session_that_was_planted_gives_its_planter_nothing(op: Op) -> None:
    names, attacker, victim = names_of(op), op.browser(), op.browser()
    attacker.login_page()
    victim.jar[names["op_login"]] = attacker.jar[names["op_login"]]

    victim.sign_in(user="alice")

    assert not attacker.is_signed_in()
    assert attacker.get("/consent?waiting=x").status == 400


# -- tossing ----------------------------------------------------------------------------------------------------------

JUNK = [
    "x[]=1",
    "x=\x01",
    'x="\\',
    "a b=c",
    "=",
    "; ;;",
    "$Version=1; $Path=/",
    "x={'a': 1}",
    "é=ü",
    "expires=Thu, 01 Jan 1970 00:00:00 GMT; path=/; domain=evil.example.com; httponly; secure",
    "__proto__=x",
    "x=" + "a" * 4000,
    "; ".join(f"c{number}=x" for number in range(500)),
    "OP_SESSION=x; Op_Login=y; __host-op_session=z",
    "op_session_=x; op_login.=y; xop_session=z",
    "x=op_session=y",
    "x=\xa0; \xff=x",
]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: ascii(junk[:20]))
@pytest.mark.parametrize("is_in_front", [True, False], ids=["in front", "behind"])
def test_cookies_of_a_sibling_host_stop_nobody_from_signing_in_or_being_known(op: Op, junk: str, is_in_front: bool) -> None:
    browser = op.browser()
    plain = browser.send

    def with_junk(method: str, target: str, body: bytes = b"", headers: object = None, **environ: object) -> object:
        jar = header_of(browser.jar)
        cookies = "; ".join([junk, jar] if is_in_front else [jar, junk])
        return plain(method, target, body, {**(headers or {}), "Cookie": cookies}, **environ)  # type: ignore[dict-item]

    browser.send = with_junk  # type: ignore[method-assign,assignment]

    browser.sign_in()

    assert browser.is_signed_in()


@pytest.mark.parametrize("cookie", STATES)
@pytest.mark.parametrize(
    "toss",
    [
        "{name}={theirs}; {own}",
        "{own}; {name}={theirs}",
        "{name}={theirs}; {own}; {name}={theirs}",
        '{own}; {name}="{theirs}"',
        "{own}; $Path=/login; {name}={theirs}",
        "{name}=; {own}",
        "{own}; {name}=" + "a" * 5000,
        "{own}; x=y,{name}={theirs}",
        "{name} = {theirs}; {own}",
        "{own};{name}={theirs};" * 3,
        "{name}={theirs}; " * 300 + "{own}",
    ],
    ids=["first", "last", "both", "quoted", "another path", "empty", "oversized", "comma", "blanks", "often", "more than a header holds"],
)
def test_a_second_cookie_of_ours_signs_nobody_in_as_its_tosser(op: Op, cookie: str, toss: str) -> None:
    name, attacker, victim = names_of(op)[cookie], op.browser(), op.browser()
    attacker.sign_in(user="bob")
    attacker.login_page(prompt="login")
    victim.sign_in(user="alice")
    tossed = toss.format(name=name, theirs=attacker.jar[name], own=header_of(victim.jar))

    assert user_of(op.browser(), tossed) in ("alice", None)
    for path in ("/login", "/consent?waiting=x", "/authorization?client_id=web", "/end_session", "/check_session", "/nothing"):
        assert op.browser().send("GET", path, headers={"Cookie": tossed}).status < 500
    assert user_of(op.browser(), header_of(victim.jar)) == "alice"


@pytest.mark.spec("SM-16")
def test_on_https_a_parent_domain_cannot_toss_a_cookie_that_counts(keys_file: str) -> None:
    op = Op.build(make_settings(keys_file, issuer="https://localhost:8443"))
    attacker, victim = op.browser(), op.browser()
    attacker.sign_in(user="bob")
    victim.sign_in(user="alice")
    tossed = [f"{name}={attacker.jar.get('__Host-' + name, 'x')}" for name in STATES]  # no Domain goes with a __Host- name

    assert user_of(op.browser(), header_of(victim.jar, *tossed)) == "alice"
    assert user_of(op.browser(), "; ".join(tossed)) is None
