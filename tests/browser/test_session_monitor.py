"""The RP helper in real Chromium with made-up answers: which channel it watches, what it tells, and that it never loops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Error

from tests.browser.conftest import ChromiumContexts
from tests.browser.monitor_scene import CHECK_SESSION, NO_STORAGE, RENEW, RP, Scene, Watched

EVENTS = {"url": "/events"}
STOP_WHEN_TOLD = """
async ([when, options]) => {
  const { SessionMonitor } = await import("/session-monitor/session-monitor.js");
  window.monitor = new SessionMonitor({ ...options, clock });
  told.length = 0;
  monitor.addEventListener("state", ({ detail: { state, reason } }) => {
    told.push(`${state} ${reason}`);
    if (told.at(-1) === when) monitor.stop();
  });
  monitor.start();
}
"""
STATUS = {"url": "/status", "pollMs": 60_000}
HOUR = 3_600_000


@pytest.fixture(scope="module")
def shared_context(module_chromium_context: ChromiumContexts) -> BrowserContext:
    """One browser for the module."""
    return module_chromium_context()


@pytest.fixture
def scene(shared_context: BrowserContext) -> Iterator[Scene]:
    """The OP and the RP, where nothing has happened yet."""
    page = shared_context.pages[0]
    scene = Scene(shared_context, page)
    shared_context.route("**/*", scene.answer)
    yield scene
    if page.url.startswith(RP):
        page.evaluate("window.monitor?.stop(); sessionStorage.clear(); delete document.visibilityState")
    for other in shared_context.pages[1:]:
        other.close()
    shared_context.unroute_all(behavior="wait")


@pytest.fixture
def forgetful(scene: Scene) -> Watched:
    """A page, not loaded yet, that may keep nothing in the browser."""
    page = scene.context.new_page()
    page.add_init_script(NO_STORAGE)
    return Watched(scene, page)


@pytest.mark.spec("RP-02")
@pytest.mark.parametrize(("random", "pause"), [(0.0, 4500), (1.0, 5500)], ids=["at the earliest", "at the latest"])
def test_the_op_iframe_is_asked_again_after_a_pause_that_varies(scene: Scene, random: float, pause: int) -> None:
    page = scene.open(random=random)
    page.wait_until_told("signed-in unchanged iframe")

    page.pass_time(pause - 1)
    assert scene.polls == ["a client state0.salt"]
    page.pass_time(1)
    page.wait_until(lambda: len(scene.polls) == 2)


@pytest.mark.spec("RP-05")
def test_unchanged_is_told_once_and_asks_nothing(scene: Scene) -> None:
    page = scene.open()
    page.poll()
    page.poll()

    assert page.told() == ["signed-in unchanged iframe"]
    assert scene.asked_op() == 0


@pytest.mark.spec("RP-03", "RP-04", "RP-07")
def test_changed_asks_the_op_once_and_goes_on_with_the_new_session_state(scene: Scene) -> None:
    scene.answers = ["changed", "unchanged"]
    page = scene.open()

    page.wait_until_told("checking changed iframe", "signed-in renewed iframe", "signed-in unchanged iframe")
    assert scene.polls == ["a client state0.salt", "a client state1.salt"]
    assert scene.asked_op() == 1


@pytest.mark.spec("RP-04")
@pytest.mark.parametrize("outcome", ["other-user", "refused"])
def test_a_renewal_by_nobody_or_somebody_else_ends_it(scene: Scene, outcome: str) -> None:
    scene.answers, scene.renewals = ["changed"], [{"renewal": outcome}]
    page = scene.open()

    page.wait_until_told("checking changed iframe", f"signed-out {outcome} iframe")
    assert page.is_idle()
    assert scene.asked_op() == 1


@pytest.mark.spec("RP-04")
def test_a_renewal_without_answer_is_forgiven_once(scene: Scene) -> None:
    scene.answers, scene.renewals = ["changed"], [None]
    page = scene.open()
    page.wait_until(lambda: scene.asked_op() == 1)

    page.pass_time(10_000)
    page.wait_until_told("cannot-tell no-answer iframe", "cannot-tell cooling-down iframe")
    for _ in range(4):
        page.poll()
    page.wait_until(lambda: scene.asked_op() == 2)
    page.pass_time(10_000)
    page.wait_until_told("signed-out no-answer iframe")
    assert page.is_idle()


@pytest.mark.spec("RP-06", "SEC-09")
@pytest.mark.parametrize("outcome", ["{ renewal: 'other-user' }", "'changed'", "null", "{ renewal: 'whatever' }"])
def test_an_outcome_that_comes_from_elsewhere_is_ignored(scene: Scene, outcome: str) -> None:
    scene.answers, scene.renewals = ["changed"], [None]
    page = scene.open()
    page.wait_until_told("checking changed iframe")

    page.page.evaluate(f"window.postMessage({outcome}, '*')")
    page.page.evaluate("new Promise((resolve) => setTimeout(resolve))")

    assert page.told() == ["checking changed iframe"]


def test_a_word_that_is_no_outcome_is_ignored(scene: Scene) -> None:
    scene.answers, scene.renewals = ["changed"], [{"renewal": "whatever"}]
    page = scene.open()
    page.wait_until(lambda: scene.asked_op() == 1)

    page.pass_time(10_000)

    page.wait_until_told("cannot-tell no-answer iframe", "cannot-tell cooling-down iframe")


@pytest.mark.spec("RP-06", "SEC-09")
@pytest.mark.parametrize("answer", ["changed", "error", "unchanged"])
def test_an_answer_that_the_op_iframe_did_not_give_is_ignored(scene: Scene, answer: str) -> None:
    scene.answers = ["silence"]
    page = scene.open()
    page.wait_until(lambda: len(scene.polls) == 1)

    page.page.evaluate("answer => window.postMessage(answer, '*')", answer)
    page.page.evaluate("new Promise((resolve) => setTimeout(resolve))")

    assert page.told() == []


@pytest.mark.spec("RP-05")
def test_error_without_another_channel_says_so_and_does_nothing_more(scene: Scene) -> None:
    scene.answers = ["error"]
    page = scene.open()

    page.wait_until_told("cannot-tell blind iframe", "cannot-tell blind")
    assert page.is_idle()
    assert scene.asked_op() == 0
    assert page.page.evaluate("monitor.detail.tried") == [{"channel": "iframe", "reason": "blind"}]


def test_without_any_channel_it_says_so(scene: Scene) -> None:
    page = scene.open(checkSession=None, renew=None)

    page.wait_until_told("cannot-tell no-channel")
    assert page.is_idle()


def test_a_blind_iframe_leaves_it_to_the_rps_own_server(scene: Scene) -> None:
    scene.answers = ["error"]
    page = scene.open(events=EVENTS, status=STATUS)

    page.wait_until_told("cannot-tell blind iframe", "signed-in listening events")
    assert "/status" not in scene.requests
    assert scene.asked_op() == 0


@pytest.mark.spec("RP-33")
def test_the_rps_own_server_says_that_the_session_has_ended_and_who_ended_it(scene: Scene) -> None:
    scene.answers = ["error"]
    scene.events = (200, "event: live\ndata:\n\nevent: ended\ndata: backchannel\n\n")
    page = scene.open(events=EVENTS)

    page.wait_until_told("signed-in listening events", "signed-out ended events backchannel")
    assert page.is_idle()


def test_refused_events_leave_it_to_status(scene: Scene) -> None:
    scene.answers = ["error"]
    scene.events = (503, "")
    page = scene.open(events=EVENTS, status=STATUS)

    page.wait_until_told("cannot-tell blind iframe", "cannot-tell no-answer events", "signed-in live status")


def test_events_that_never_say_live_are_given_up(scene: Scene) -> None:
    scene.events = (200, "retry: 1\n\n")
    page = scene.open(checkSession=None, events=EVENTS)

    page.wait_until_told("cannot-tell no-answer events", "cannot-tell no-answer")
    assert scene.requests.count("/events") == 3


def test_events_that_are_cut_off_are_listened_to_again(scene: Scene) -> None:
    scene.events = (200, "retry: 1\nevent: live\ndata:\n\n")
    page = scene.open(checkSession=None, events=EVENTS)

    page.wait_until(lambda: scene.requests.count("/events") > 4)
    assert page.told() == ["signed-in listening events"]


def test_status_is_asked_now_and_then_until_it_says_ended(scene: Scene) -> None:
    scene.statuses = [(200, {"status": "live"}), (200, {"status": "live"}), (200, {"status": "ended", "reason": "status"})]
    page = scene.open(checkSession=None, status=STATUS)
    page.wait_until_told("signed-in live status")

    page.pass_time(60_000)
    page.wait_until(lambda: page.page.evaluate("clock.timers.size") == 1)
    page.pass_time(60_000)

    page.wait_until_told("signed-in live status", "signed-out ended status status")
    assert page.is_idle()
    assert scene.requests.count("/status") == 3


def test_a_status_that_nobody_knows_is_not_asked_for_again(scene: Scene) -> None:
    scene.statuses = [(200, {"status": "unknown"})]
    page = scene.open(checkSession=None, status=STATUS)

    page.wait_until_told("cannot-tell unknown status", "cannot-tell unknown")
    assert page.is_idle()


@pytest.mark.parametrize("answer", [(503, {}), (200, None), (200, {"status": "gone"}), (404, {"status": "ended"})])
def test_a_status_that_is_no_answer_signs_nobody_out(scene: Scene, answer: tuple[int, Any]) -> None:
    scene.statuses = [answer]
    page = scene.open(checkSession=None, status=STATUS)
    for asked in (1, 2):
        page.wait_until(lambda asked=asked: scene.requests.count("/status") == asked and page.page.evaluate("clock.timers.size") == 1)  # type: ignore[misc]
        page.pass_time(60_000)

    page.wait_until_told("cannot-tell no-answer status", "cannot-tell no-answer")


def test_what_did_not_answer_is_tried_again_after_a_while_and_what_is_blind_is_not(scene: Scene) -> None:
    scene.answers, scene.events = ["error"], (503, "")
    page = scene.open(events=EVENTS)
    page.wait_until_told("cannot-tell no-answer events", "cannot-tell no-answer")
    scene.events = (200, "event: live\ndata:\n\n")

    page.pass_time(60_000)

    page.wait_until_told("signed-in listening events")
    assert len(scene.polls) == 1


def test_an_op_iframe_that_does_not_answer_is_loaded_anew_after_a_while(scene: Scene) -> None:
    scene.answers = ["silence"]
    page = scene.open()
    page.wait_until(lambda: len(scene.polls) == 1)
    page.poll()
    page.poll()
    page.pass_time(5500)
    page.wait_until_told("cannot-tell no-answer iframe", "cannot-tell no-answer")
    scene.answers = ["unchanged"]

    page.pass_time(60_000)

    page.wait_until_told("signed-in unchanged iframe")
    assert scene.requests.count("/check_session") == 2


def test_a_machine_that_has_slept_does_not_take_that_for_silence(scene: Scene) -> None:
    page = scene.open(status=STATUS)
    page.wait_until_told("signed-in unchanged iframe")

    page.page.evaluate("ms => { clock.at += ms; }", HOUR)
    scene.now += HOUR
    page.poll()
    page.poll()

    assert page.told() == ["signed-in unchanged iframe"]


@pytest.mark.spec("RP-08")
def test_changed_for_ever_asks_the_op_twice_a_cool_down_apart_and_gives_up(scene: Scene) -> None:
    scene.answers = ["changed"]
    page = scene.open(status=STATUS)
    page.wait_until_told("checking changed iframe", "signed-in renewed iframe", "cannot-tell cooling-down iframe")

    for _ in range(5):
        page.poll()
    assert scene.asked_op() == 1
    page.pass_time(5500)

    page.wait_until_told(
        "checking changed iframe", "signed-in renewed iframe", "cannot-tell keeps-changing iframe", "signed-in live status"
    )
    assert scene.asked_op() == 2


@pytest.mark.spec("RP-08")
def test_page_loads_do_not_make_a_loop_of_it(scene: Scene) -> None:
    scene.answers = ["changed"]
    page = scene.open()
    for _ in range(6):
        page.wait_until(lambda: "cannot-tell" in page.page.evaluate("monitor.detail.state"))
        scene.now += 40_000
        page.load()
    page.wait_until_told("cannot-tell keeps-changing iframe", "cannot-tell keeps-changing")

    assert scene.asked_op() == 2


@pytest.mark.spec("RP-08")
def test_unchanged_is_what_ends_a_cool_down(scene: Scene) -> None:
    scene.answers = ["changed", "unchanged", "changed", "unchanged"]
    page = scene.open()
    page.wait_until_told("signed-in unchanged iframe")

    page.pass_time(5500)

    page.wait_until(lambda: scene.asked_op() == 2)


@pytest.mark.spec("RP-08")
def test_changes_beyond_a_limit_are_not_followed(scene: Scene) -> None:
    scene.answers = ["changed", "unchanged"] * 7
    page = scene.open()
    for changes in range(1, 7):
        page.wait_until(lambda: page.told().count("signed-in unchanged iframe") == changes)  # noqa: B023  # it is called at once
        page.pass_time(5500)

    page.wait_until_told("cannot-tell too-often iframe", "cannot-tell too-often")
    assert scene.asked_op() == 6


@pytest.mark.spec("RP-08")
def test_where_nothing_can_be_kept_each_page_load_asks_once_at_most(scene: Scene, forgetful: Watched) -> None:
    scene.answers = ["changed"]
    for loads in (1, 2):
        forgetful.load()
        forgetful.wait_until_told("signed-in renewed iframe", "cannot-tell keeps-changing iframe", "cannot-tell keeps-changing")
        assert scene.asked_op() == loads


@pytest.mark.spec("RP-08")
@pytest.mark.parametrize(
    "kept", ["", "null", "{", "[]", '{"tries": 1, "unsettled": 0}', '{"tries": ["x"], "unsettled": 9}', '{"tries": [1]}']
)
def test_what_is_not_its_own_in_the_storage_is_ignored(scene: Scene, kept: str) -> None:
    page = scene.open()
    page.wait_until_told("signed-in unchanged iframe")
    page.page.evaluate("kept => sessionStorage.setItem('session-monitor a client', kept)", kept)
    scene.answers = ["changed", "unchanged"]
    page.load()

    page.wait_until_told("checking changed iframe", "signed-in renewed iframe", "signed-in unchanged iframe")


@pytest.mark.parametrize(("age", "asked"), [(599_999, 0), (600_001, 1), (-1, 1)], ids=["of late", "long ago", "of a clock that ran ahead"])
def test_renewals_are_forgotten_in_time(scene: Scene, age: int, asked: int) -> None:
    page = scene.open()
    page.wait_until_told("signed-in unchanged iframe")
    tried = json.dumps({"tries": [scene.now - age], "unsettled": 2})
    page.page.evaluate("tried => sessionStorage.setItem('session-monitor a client', tried)", tried)
    scene.answers = ["changed"]
    page.load()

    page.wait_until(lambda: "cannot-tell" in page.page.evaluate("monitor.detail.state"))
    assert scene.asked_op() == asked


def test_a_hidden_page_is_not_watched_and_asks_when_it_is_seen_again(scene: Scene) -> None:
    page = scene.open()
    page.wait_until_told("signed-in unchanged iframe")

    page.become("hidden")
    page.pass_time(HOUR)
    assert len(scene.polls) == 1
    page.become("visible")

    page.wait_until(lambda: len(scene.polls) == 2)
    assert scene.requests.count("/check_session") == 1


def test_a_hidden_page_holds_no_connection(scene: Scene) -> None:
    page = scene.open(checkSession=None, events=EVENTS)
    page.wait_until_told("signed-in listening events")
    page.become("hidden")
    scene.events = (200, "event: ended\ndata: here\n\n")

    page.become("visible")

    page.wait_until_told("signed-out ended events here")


def test_stop_in_the_middle_of_a_renewal_leaves_nothing_and_tells_nothing(scene: Scene) -> None:
    scene.answers, scene.renewals = ["changed"], [None]
    page = scene.open(events=EVENTS, status=STATUS)
    page.wait_until_told("checking changed iframe")

    page.page.evaluate("monitor.stop()")
    page.page.evaluate("new Promise((resolve) => setTimeout(resolve))")

    assert page.is_idle()
    assert page.told() == ["checking changed iframe"]


@pytest.mark.parametrize(
    ("told", "by"),
    [
        ("signed-in unchanged", "frame"),
        ("checking changed", "frame"),
        ("checking changed", "page"),
        ("signed-in renewed", "frame"),
        ("cannot-tell blind", "frame"),
        ("cannot-tell no-answer", "frame"),
        ("signed-out refused", "frame"),
    ],
)
def test_whoever_is_told_may_stop_it(scene: Scene, told: str, by: str) -> None:
    answer = {"unchanged": "unchanged", "blind": "error", "no-answer": "error"}.get(told.split()[1], "changed")
    scene.answers, scene.events = [answer], (503, "")
    scene.renewals = [{"renewal": "refused" if "refused" in told else "same-user"}]
    page = scene.open(checkSession=None)
    errors: list[str] = []
    page.page.on("pageerror", lambda error: errors.append(str(error)))
    page.page.evaluate(STOP_WHEN_TOLD, [told, {"checkSession": CHECK_SESSION, "renew": RENEW | {"by": by}, "events": EVENTS}])

    page.wait_until(lambda: page.told()[-1:] == [told])
    page.page.evaluate("new Promise((resolve) => setTimeout(resolve, 50))")
    assert page.is_idle()
    assert page.told()[-1] == told
    assert page.page.url == RP + "/"
    assert errors == []


def test_a_monitor_that_was_stopped_can_be_started_again(scene: Scene) -> None:
    page = scene.open()
    page.wait_until_told("signed-in unchanged iframe")

    page.page.evaluate("monitor.stop(); monitor.start(); monitor.start()")

    page.wait_until(lambda: len(scene.polls) == 2)
    assert page.page.locator("iframe").count() == 1


@pytest.mark.spec("RP-03", "RP-08")
def test_asking_by_page_leaves_the_page_once_and_not_again_at_once(scene: Scene) -> None:
    scene.answers, scene.renewals = ["changed"], [None]
    page = scene.open(renew={"url": "/renew", "by": "page"})
    page.page.wait_for_url(RP + "/renew")
    page.load(renew={"url": "/renew", "by": "page"})

    page.wait_until_told("cannot-tell cooling-down iframe")
    assert scene.asked_op() == 1


@pytest.mark.spec("RP-08")
def test_asking_by_page_is_left_where_nothing_can_be_kept(scene: Scene, forgetful: Watched) -> None:
    scene.answers = ["changed"]
    forgetful.load(renew={"url": "/renew", "by": "page"})

    forgetful.wait_until_told("cannot-tell no-storage iframe", "cannot-tell no-storage")
    assert scene.asked_op() == 0


def test_of_two_tabs_one_asks_the_op_and_the_other_goes_on_with_its_answer(scene: Scene) -> None:
    first = scene.open()
    second = scene.open()
    first.wait_until_told("signed-in unchanged iframe")
    second.wait_until_told("signed-in unchanged iframe")
    scene.answers, scene.renewals = ["changed", "changed", "unchanged"], [None]
    first.poll()
    first.wait_until_told("checking changed iframe")
    second.poll()
    second.wait_until_told("checking changed iframe")
    assert scene.asked_op() == 1

    frame = next(frame for frame in first.page.frames if frame.url.endswith("/renew"))
    frame.evaluate("parent.postMessage({ renewal: 'same-user', sessionState: 'state7.salt' }, location.origin)")

    first.wait_until_told("signed-in renewed iframe", "signed-in unchanged iframe")
    second.wait_until_told("signed-in renewed iframe")
    second.poll()
    second.wait_until_told("signed-in unchanged iframe")
    assert scene.polls[-2:] == ["a client state7.salt"] * 2
    assert scene.asked_op() == 1


def test_the_other_tabs_of_the_session_hear_that_it_is_over_and_those_of_another_do_not(scene: Scene) -> None:
    first = scene.open()
    same = scene.open()
    other = scene.open(checkSession=CHECK_SESSION | {"sessionState": "of.another"})
    for page in (first, same, other):
        page.wait_until_told("signed-in unchanged iframe")
    scene.answers, scene.renewals = ["changed"], [{"renewal": "refused"}]
    first.poll()

    first.wait_until_told("signed-out refused iframe")
    same.wait_until_told("signed-in unchanged iframe", "signed-out refused iframe")
    assert other.told() == ["signed-in unchanged iframe"]
    assert scene.asked_op() == 1


@pytest.mark.parametrize(
    "options", [{"renew": None}, {"renew": {"url": "https://elsewhere.example/renew"}}], ids=["no renewal", "a renewal elsewhere"]
)
def test_options_that_cannot_work_are_refused(scene: Scene, options: dict[str, Any]) -> None:
    with pytest.raises(Error, match="TypeError: "):
        scene.open(**options)
