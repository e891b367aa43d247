"""`check_session.js` in Chromium with made-up messages and cookies: what it answers, and that it hashes as the OP does."""

from __future__ import annotations

import gzip
import random
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

import pytest
from playwright.sync_api import Page

from oic_session_ext.session_management.session_state import compute_session_state
from oic_session_ext.web.origin import origin_of
from tests.browser.conftest import ChromiumContexts
from tests.session_management.test_session_state import ORIGINS

SCRIPT = files("oic_session_ext.pages").joinpath("static", "check_session.js").read_text(encoding="utf-8")
ORIGIN = "https://rp.example.org"
STATE = "op-ua-state-1"

STATUS_SCRIPT = files("oic_session_ext.pages").joinpath("static", "check_session_status.js").read_text(encoding="utf-8")

# Runs the script, unchanged, with a document and a window that the test makes up, and returns its answers to some events. `access` is
# what the browser says of storage access: null where it knows nothing of it. `statuses` are the OP's answers, null for none at all.
RUN = """
async ({ script, statusScript, dataset, cookies, throws, ancestors, embedded, access, statuses, events }) => {
  let listen, cookie = cookies[0], hasAccess = access?.has, now = 1e6;
  const parent = {}, window = embedded ? {} : parent, asked = [], requested = [];
  const document = {
    currentScript: { dataset },
    get cookie() { if (throws) throw new DOMException("", "SecurityError"); return hasAccess === false ? "" : cookie; },
  };
  const query = async () => {
    if (!access.permission) throw new TypeError();
    return { state: access.permission };
  };
  const navigator = { permissions: { query } };
  if (access) {
    document.hasStorageAccess = async () => hasAccess;
    document.requestStorageAccess = async () => {
      requested.push(1);
      if (access.refuses) throw new DOMException("", "NotAllowedError");
      hasAccess = true;
    };
  }
  const location = ancestors ? { ancestorOrigins: ancestors } : {};
  const fetch = async (url, { method, credentials, body }) => {
    asked.push([url, method, credentials, String(body)]);
    const status = statuses.shift();
    if (status === null) throw new TypeError("no network");
    return { json: async () => (typeof status === "string" ? { status } : status) };
  };
  if (statusScript) new Function("document", "window", "fetch", "Date", statusScript)(document, window, fetch, { now: () => now });
  new Function("document", "window", "parent", "location", "navigator", "addEventListener", script)(
    document, window, parent, location, navigator, (type, listener) => { listen = listener; });
  const heard = [];
  for (const [i, { data, origin, from, afterMs }] of events.entries()) {
    cookie = cookies[Math.min(i, cookies.length - 1)];
    now += afterMs || 0;
    const said = [];
    const source = from === "nobody" ? null : from === "parent" ? parent : {};
    if (source) source.postMessage = (answer, target) => said.push([answer, target]);
    await listen({ data, origin, source });
    heard.push(said);
  }
  return { heard, asked, requested: requested.length };
}
"""


@pytest.fixture(scope="module")
def page(module_chromium_context: ChromiumContexts) -> Page:
    """An empty page to run scripts in."""
    return module_chromium_context().new_page()


def run(
    page: Page, *data: object, cookies: list[str] | None = None, origin: str = ORIGIN, source: str = "frame", **given: Any
) -> dict[str, Any]:
    """What came of the messages.

    The answers `heard` (for each a list of (answer, target) pairs), what was `asked` of the OP, and how often access was `requested`.
    """
    setting = {
        "script": SCRIPT,
        "statusScript": None,
        "dataset": {"cookie": "op_browser_state", "loopGuard": "on"},
        "cookies": cookies if cookies is not None else [f"op_browser_state={STATE}"],
        "throws": False,
        "ancestors": [ORIGIN],
        "embedded": True,
        "access": None,
        "statuses": [],
        "events": [{"data": one, "origin": origin, "from": source} for one in data],
    }
    found: dict[str, Any] = page.evaluate(RUN, setting | given)
    return found


def said(page: Page, *data: object, **given: Any) -> list[Any]:
    """What the script posts back for each message: a list of (answer, target) pairs, empty for silence."""
    return [[tuple(pair) for pair in pairs] for pairs in run(page, *data, **given)["heard"]]


def answers(page: Page, *data: object, **given: Any) -> list[str]:
    """The single answer to each message, all of which were posted to the asker's origin alone."""
    pairs = [pair for [pair] in said(page, *data, **given)]

    assert {target for _, target in pairs} <= {given.get("origin", ORIGIN)}
    return [answer for answer, _ in pairs]


def question(client_id: str = "rp", *, origin: str = ORIGIN, state: str = STATE, salt: str = "salt-0001") -> str:
    return f"{client_id} {compute_session_state(client_id, origin, state, salt)}"


@pytest.mark.spec("SM-04", "SM-20", "SM-21")
def test_the_script_hashes_as_the_op_does(page: Page) -> None:
    rng = random.Random(20)
    letters = [*map(chr, range(0x20, 0x7F)), *"éßж中한☕\U0001f600\u200d"]
    events, expected = [], []
    for _ in range(5000):
        client_id = "".join(rng.choices(letters, k=rng.randint(1, 150)))
        origin = f"https://rp{rng.randrange(10**6)}.example:{rng.randint(1, 65535)}"
        is_current = rng.random() < 0.8
        salt = "".join(rng.choices("abcXYZ019-_~!/", k=rng.randint(1, 64)))
        data = question(client_id, origin=origin, state=STATE if is_current else "old", salt=salt)
        events.append({"data": data, "origin": origin, "from": "parent"})
        expected.append([("unchanged" if is_current else "changed", origin)])

    assert said(page, events=events, ancestors=None) == expected


@pytest.mark.spec("SM-04", "SM-22")
@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (f"s6BhdRkqt3 {'a562cfcf93173bbdbf6329249c23f1c5544e8e22aa3aa0ed32920956b52ce3a6'}.salt-0001", "unchanged"),
        (f"client with space {'a5abd305edd970a4e0c8f24d209933e6fd9645cab0435f271b31b121bf3385c4'}.salt-0001", "unchanged"),
        (f"s6BhdRkqt3 {'cecd4be4d806cfd43cd6de717290b5fba40cf7d2e2c00dc8573f724d5a760c92'}.salt-0001", "changed"),
    ],
    ids=["plain", "client id with spaces", "another state"],
)
def test_the_published_vectors_are_answered(page: Page, data: str, answer: str) -> None:
    assert answers(page, data) == [answer]


@pytest.mark.spec("SM-22", "WR-18")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="space"),
        pytest.param("rp", id="no session_state"),
        pytest.param("rp ", id="empty session_state"),
        pytest.param(" " + question().partition(" ")[2], id="no client_id"),
        pytest.param(question().partition(" ")[2], id="no client_id and no space"),
        pytest.param(question().partition(".")[0], id="no salt"),
        pytest.param(question().partition(".")[0] + ".", id="empty salt"),
        pytest.param(question() + ".x", id="two dots"),
        pytest.param(question() + " ", id="space at the end"),
        pytest.param(question() + "\n", id="line end"),
        pytest.param("a\n" + question(), id="line end in client_id"),
        pytest.param(question().upper(), id="upper-case hash"),
        pytest.param(question() + "é", id="salt not ASCII"),
        pytest.param("Changed", id="nearly an answer"),
        pytest.param(None, id="null"),
        pytest.param(7, id="number"),
        pytest.param({"toString": 1}, id="object"),
        pytest.param([question()], id="list of one question"),
        pytest.param(["changed"], id="list of one answer"),
    ],
)
def test_a_malformed_message_is_an_error(page: Page, data: object) -> None:
    assert answers(page, data) == ["error"]


@pytest.mark.spec("SM-25", "WR-18")
@pytest.mark.parametrize("data", ["changed", "unchanged", "error"])
def test_an_answer_is_not_answered(page: Page, data: str) -> None:
    assert said(page, data) == [[]]


@pytest.mark.spec("SM-20", "SM-23")
def test_the_origin_that_counts_is_the_messages_own(page: Page) -> None:
    for_another = question(origin="https://rp.other.example")

    assert answers(page, for_another, for_another + f" {ORIGIN}") == ["changed", "error"]


@pytest.mark.spec("SM-23", "SEC-09")
def test_a_page_of_another_origin_than_the_embedding_one_gets_no_answer(page: Page) -> None:
    assert said(page, question(origin="https://evil.example"), origin="https://evil.example") == [[]]


@pytest.mark.spec("SM-23", "SEC-09")
@pytest.mark.parametrize("ancestors", [None, [], ["null"]], ids=["no ancestorOrigins", "empty", "masked"])
def test_where_the_parents_origin_is_not_known_only_the_parent_gets_an_answer(page: Page, ancestors: list[str] | None) -> None:
    assert answers(page, question(), source="parent", ancestors=ancestors) == ["unchanged"]
    assert said(page, question(), ancestors=ancestors) == [[]]


@pytest.mark.spec("SM-23")
def test_a_page_that_is_in_no_frame_answers_nobody(page: Page) -> None:
    assert said(page, question(), embedded=False, ancestors=[]) == [[]]
    assert said(page, question(), embedded=False, ancestors=[], source="parent") == [[]]


@pytest.mark.spec("SM-25")
def test_there_is_no_answer_without_an_address(page: Page) -> None:
    assert said(page, question(), source="nobody") == [[]]
    assert said(page, question(origin="null"), origin="null", source="parent", ancestors=["null"]) == [[]]


@pytest.mark.spec("SM-30")
@pytest.mark.parametrize(
    "cookies",
    [
        pytest.param("", id="none"),
        pytest.param("other=1", id="others alone"),
        pytest.param("op_browser_state=", id="empty"),
        pytest.param(f"xop_browser_state={STATE}", id="longer name"),
        pytest.param(f"op_browser_state={STATE}; op_browser_state=tossed", id="twice"),
    ],
)
def test_where_the_cookie_is_not_visible_the_answer_is_error(page: Page, cookies: str) -> None:
    assert answers(page, question(), question(state="old"), cookies=[cookies]) == ["error", "error"]


@pytest.mark.spec("SM-30")
def test_where_cookies_may_not_even_be_asked_for_the_answer_is_error(page: Page) -> None:
    assert answers(page, question(), throws=True) == ["error"]


@pytest.mark.spec("SM-21")
def test_the_cookie_is_found_among_others_and_read_each_time(page: Page) -> None:
    cookies = [f"a=1; op_browser_state={STATE}; b=2", f"op_browser_state={STATE}", "op_browser_state=new", "", f"op_browser_state={STATE}"]

    assert answers(page, *[question()] * 5, cookies=cookies) == ["unchanged", "unchanged", "changed", "error", "unchanged"]


def outdated(number: int, client_id: str = "rp") -> str:
    return question(client_id, state=f"old-{number}")


@pytest.mark.spec("SM-21", "RP-08")
def test_an_rp_that_keeps_its_session_state_is_told_changed_every_time(page: Page) -> None:
    assert answers(page, *[outdated(0)] * 10) == ["changed"] * 10


@pytest.mark.spec("SM-30", "RP-08")
def test_a_fourth_new_session_state_that_does_not_match_either_is_a_loop(page: Page) -> None:
    assert answers(page, *map(outdated, range(6)), outdated(0)) == ["changed"] * 3 + ["error"] * 4


@pytest.mark.spec("SM-30")
def test_a_new_browser_state_ends_the_loop(page: Page) -> None:
    cookies = [f"op_browser_state={STATE}"] * 4 + ["op_browser_state=new"] * 2

    assert answers(page, *map(outdated, range(5)), question(state="new"), cookies=cookies) == [
        *["changed"] * 3,
        "error",
        "changed",
        "unchanged",
    ]


@pytest.mark.spec("SM-21")
def test_a_value_that_matches_is_unchanged_even_within_a_loop(page: Page) -> None:
    assert answers(page, *map(outdated, range(4)), question()) == [*["changed"] * 3, "error", "unchanged"]


def test_each_client_of_a_page_has_a_loop_of_its_own(page: Page) -> None:
    messages = [outdated(number, client_id) for number in range(4) for client_id in ("rp-a", "rp-b")]

    assert answers(page, *messages) == ["changed"] * 6 + ["error"] * 2


@pytest.mark.spec("SM-21")
def test_without_the_loop_guard_every_mismatch_is_changed(page: Page) -> None:
    dataset = {"cookie": "op_browser_state", "loopGuard": "off"}

    assert answers(page, *map(outdated, range(10)), dataset=dataset) == ["changed"] * 10


@pytest.mark.spec("SM-06")
def test_the_origins_of_the_table_are_those_of_the_browser(page: Page) -> None:
    of_browser = page.evaluate("uris => uris.map((uri) => new URL(uri).origin)", [uri for uri, _ in ORIGINS])

    assert of_browser == [origin for _, origin in ORIGINS]


@pytest.mark.spec("SM-06")
def test_an_origin_that_is_not_refused_is_the_browsers(page: Page) -> None:
    rng = random.Random(6)
    letters = [*"aaaabbzAZ019.-_~", *"%25%C3%9f@:[]/?#!$&'()*+,;=", *"éßÄжצ中한ｂ。．１☕\u00ad\u0301\u200d"]
    uris = [f"https://{''.join(rng.choices(letters, k=rng.randint(1, 9)))}{rng.choice(['', '/cb', ':443', ':8443/'])}" for _ in range(4000)]
    uris += [f"https://{'.'.join(map(str, rng.choices(range(300), k=rng.randint(1, 5))))}/" for _ in range(300)]
    uris += [f"https://[{':'.join(rng.choices(['0', '0', '0', '00a', 'FF', ''], k=rng.randint(3, 8)))}]/" for _ in range(700)]
    origins = {}
    for uri in uris:
        try:
            origins[uri] = origin_of(uri)
        except ValueError:
            continue

    of_browser = page.evaluate("uris => uris.map((uri) => { try { return new URL(uri).origin; } catch { return null; } })", list(origins))

    assert len(origins) > 1000
    assert [(u, ours, theirs) for (u, ours), theirs in zip(origins.items(), of_browser, strict=True) if theirs not in (ours, None)] == []


def test_the_script_costs_less_than_two_kilobytes_on_the_wire() -> None:
    assert len(gzip.compress(SCRIPT.encode(), 9)) < 2048


# -- storage access ----------------------------------------------------------------------------------------------------------

SECURE = {"cookie": "__Host-op_browser_state", "loopGuard": "on"}
SECURE_COOKIE = [f"__Host-op_browser_state={STATE}"]


@pytest.mark.spec("SM-21", "SM-30")
def test_access_that_the_user_has_granted_is_taken_without_a_prompt(page: Page) -> None:
    told = run(page, question(), question(state="old"), access={"has": False, "permission": "granted"})

    assert [answer for [[answer, _]] in told["heard"]] == ["unchanged", "changed"]
    assert told["requested"] == 1


@pytest.mark.spec("SM-30")
@pytest.mark.parametrize("permission", ["prompt", "denied", None], ids=["prompt", "denied", "unknown to the browser"])
def test_access_that_is_not_granted_is_not_requested(page: Page, permission: str | None) -> None:
    told = run(page, question(), question(state="old"), access={"has": False, "permission": permission}, dataset=SECURE)

    assert [answer for [[answer, _]] in told["heard"]] == ["error", "error"]
    assert told["requested"] == 0


@pytest.mark.spec("SM-30")
def test_a_grant_that_the_rps_page_does_not_pass_on_is_none(page: Page) -> None:
    access = {"has": False, "permission": "granted", "refuses": True}

    assert answers(page, question(), access=access, cookies=SECURE_COOKIE, dataset=SECURE) == ["error"]


def test_where_the_cookie_is_seen_no_access_is_requested(page: Page) -> None:
    assert run(page, question(), access={"has": True, "permission": "granted"})["requested"] == 0


@pytest.mark.spec("SM-26", "SM-30")
def test_a_cookie_that_was_removed_is_a_change_three_times_at_most(page: Page) -> None:
    asked = [question(salt=f"salt-{number}") for number in range(5)]

    assert answers(page, *asked, access={"has": True}, cookies=[""], dataset=SECURE) == ["changed"] * 3 + ["error"] * 2


@pytest.mark.spec("SM-30")
def test_the_lax_cookie_of_an_http_issuer_is_not_taken_for_removed(page: Page) -> None:
    assert answers(page, question(), access={"has": True}, cookies=[""]) == ["error"]


# -- asking the OP -------------------------------------------------------------------------------------------------------------

STATUS_DATASET = {"cookie": "__Host-op_browser_state", "loopGuard": "on", "status": "/check_session_status"}
BLIND: dict[str, Any] = {"statusScript": STATUS_SCRIPT, "dataset": STATUS_DATASET, "access": {"has": False}, "cookies": [""]}


def polls(*messages: tuple[str, int]) -> list[dict[str, Any]]:
    """Questions, each so many milliseconds after the one before."""
    return [{"data": data, "origin": ORIGIN, "from": "parent", "afterMs": after_ms} for data, after_ms in messages]


def heard(told: dict[str, Any]) -> list[str]:
    return [answer for [[answer, _]] in told["heard"]]


def test_a_blind_iframe_asks_the_op_without_cookies_and_for_each_value_once_in_thirty_seconds(page: Page) -> None:
    asked = question()
    events = polls((asked, 0), (asked, 5_000), (asked, 24_999), (asked, 1), (asked, 1_000))

    told = run(page, **BLIND, statuses=["unchanged", "changed"], events=events)

    assert heard(told) == ["unchanged"] * 3 + ["changed"] * 2
    assert [request[:3] for request in told["asked"]] == [["/check_session_status", "POST", "omit"]] * 2
    assert dict(parse_qsl(told["asked"][0][3])) == {"client_id": "rp", "session_state": asked.partition(" ")[2], "origin": ORIGIN}


def test_what_the_op_said_last_stands_while_it_does_not_answer(page: Page) -> None:
    asked = question()
    statuses = ["unchanged", None, {"error": "temporarily_unavailable"}, "nonsense"]

    told = run(page, **BLIND, statuses=statuses, events=polls((asked, 0), (asked, 30_000), (asked, 30_000), (asked, 30_000)))

    assert heard(told) == ["unchanged"] * 4


def test_an_op_that_has_never_answered_is_an_error(page: Page) -> None:
    assert heard(run(page, **BLIND, statuses=[None], events=polls((question(), 0)))) == ["error"]


@pytest.mark.spec("SM-30")
def test_the_loop_guard_holds_for_the_ops_own_answers_too(page: Page) -> None:
    events = polls(*((outdated(number), 0) for number in range(5)))

    assert heard(run(page, **BLIND, statuses=["changed"] * 5, events=events)) == ["changed"] * 3 + ["error"] * 2


@pytest.mark.spec("SM-28")
def test_an_iframe_that_sees_the_cookie_and_one_that_is_asked_nonsense_ask_nobody(page: Page) -> None:
    seeing = run(page, question(), question(state="old"), **(BLIND | {"access": {"has": True}, "cookies": SECURE_COOKIE}))
    nonsense = run(page, "rp nonsense", **BLIND)

    assert (heard(seeing), heard(nonsense)) == (["unchanged", "changed"], ["error"])
    assert seeing["asked"] == nonsense["asked"] == []


def test_the_script_that_asks_costs_less_than_one_kilobyte_on_the_wire() -> None:
    assert len(gzip.compress(STATUS_SCRIPT.encode(), 9)) < 1024
