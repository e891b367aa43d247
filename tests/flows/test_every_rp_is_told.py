"""A user who signs out of twenty RPs, five of which are faulty: the wait has an end, and page and metrics name the five."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.examples.fault_rp_process import serving_fault_rp
from tests.flows.machines.faulty_rps import HEALTHY, ODD, REFUSING, SILENT, FaultyRps

DEADLINE_S = 1
LOADED_S = 4
"""How much later than promised an answer may come on a machine that does other things too; `make told` measures strictly."""
WAIT_S = 60
PROBLEMS = {
    "hang": "timeout",
    "500": "http_500",
    "close": "connection_lost",
    "slow-headers": "timeout",
    "refused": "connect_refused",
    "redirect": "http_302",
    "400": "http_400",
    "400-html": "http_400",
    "429": "http_429",
    "reset": "connection_lost",
}


@pytest.fixture(scope="module")
def rps(tmp_path_factory: pytest.TempPathFactory, keys_file: str) -> Iterator[FaultyRps]:
    with serving_fault_rp() as faulty:
        # an attempt outlasts the user's wait
        rps = FaultyRps(tmp_path_factory.mktemp("op"), faulty, keys_file, deadline=f"{DEADLINE_S}s", timeout="2s", lease="7s")
        rps.op.start()
        yield rps
        rps.op.close()


def failures(rps: FaultyRps) -> dict[str, set[str]]:
    """The clients that the metrics name as not told, with their problems."""
    found: dict[str, set[str]] = {}
    for client_id, problem in re.findall(r'oic_notices_(?:put_off|given_up)_total\{client_id="([^"]*)",problem="([^"]*)"\}', rps.metrics()):
        found.setdefault(client_id, set()).add(problem)
    return found


def until(is_so: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.mark.spec("BC-01", "BC-36", "BC-37")
def test_rps_that_do_not_answer_hold_the_user_up_for_the_deadline_and_the_others_for_nothing(rps: FaultyRps) -> None:
    browser = rps.sign_in([*HEALTHY, *SILENT])

    waited = rps.log_out(browser)

    told_at = rps.first_told_at(HEALTHY, waited.begun_at)
    latest = max(told_at.values()) - waited.begun_at
    print(f"answer {waited.seconds - DEADLINE_S:+.3f} s from the deadline, {len(told_at)} told within {latest:.3f} s")
    assert DEADLINE_S <= waited.seconds < DEADLINE_S + LOADED_S
    assert set(told_at) == set(HEALTHY)
    assert latest <= waited.seconds
    assert waited.statuses == {f"The RP {name}": "signed_out" for name in HEALTHY} | {f"The RP {name}": "pending" for name in SILENT}
    until(lambda: set(SILENT) <= failures(rps).keys())
    assert {name: PROBLEMS[name] in problems for name, problems in failures(rps).items()} == dict.fromkeys(SILENT, True)
    assert not browser.is_signed_in(HEALTHY[0])


@pytest.mark.spec("BC-32", "BC-33", "BC-34", "BC-36", "BC-38")
def test_rps_that_refuse_are_named_without_a_wait_and_those_that_answer_oddly_count_as_told(rps: FaultyRps) -> None:
    before = failures(rps).keys()

    waited = rps.log_out(rps.sign_in([*HEALTHY[:12], *ODD, *REFUSING]))

    print(f"answer after {waited.seconds:.3f} s")
    assert waited.statuses == {f"The RP {name}": "signed_out" for name in (*HEALTHY[:12], *ODD)} | {
        f"The RP {name}": "pending" if name in ("429", "reset") else "unreachable" for name in REFUSING
    }
    until(lambda: set(REFUSING) <= failures(rps).keys())
    named = failures(rps)
    assert {name: PROBLEMS[name] in named[name] for name in named.keys() - before} == dict.fromkeys(REFUSING, True)
    assert rps.faulty.received("ok", "redirected") == []
