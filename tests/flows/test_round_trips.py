"""A request asks the store seldom, on every engine, and no change makes it ask more often unnoticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.machines.engine import NAMES
from tests.flows.machines.round_trips import Count, measure_engine

# The most that each flow may take: round trips to Redis, statements of SQL (without BEGIN and COMMIT), durable commits.
MOST = {
    "authorization, nobody signed in": (0, 0, 0),
    "authorization, prompt=none, nobody signed in": (0, 0, 0),
    "login page": (0, 0, 0),
    "authorization with login (POST of the form)": (4, 9, 3),
    "token": (2, 2, 1),
    "userinfo": (1, 1, 0),
    "authorization, sso at a new RP": (2, 4, 1),
    "authorization, prompt=none, again": (2, 2, 1),
    "authorization, prompt=none, after a minute": (2, 3, 1),
    "authorization with consent (POST of the form)": (6, 7, 2),
    "refresh, confidential client": (2, 2, 1),
    "refresh, public client": (2, 2, 1),
    "iframe": (0, 0, 0),
    "end_session without a hint": (2, 2, 1),
    "end_session, confirmation": (3, 11, 1),
    "end_session with a hint, two RPs": (2, 9, 1),
}


@pytest.fixture(scope="module", params=NAMES)
def measured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys_file: str) -> tuple[str, dict[str, Count]]:
    """An engine's name and what each flow has cost on it."""
    folder: Path = tmp_path_factory.mktemp("round_trips")
    return request.param, measure_engine(request.param, folder, keys_file)


def test_no_flow_asks_the_store_more_often_than_it_must(measured: tuple[str, dict[str, Count]]) -> None:
    engine, counts = measured

    assert set(counts) == set(MOST)
    for flow, count in counts.items():
        round_trips, statements, commits = MOST[flow]
        if engine == "redis":
            assert count.round_trips <= round_trips, flow
        else:
            assert count.statements <= statements, flow
            assert count.commits <= commits, flow
        if engine == "postgresql":  # where a condition comes with other changes its COMMIT is sent by itself
            assert count.round_trips <= round_trips + commits, flow


def test_the_authorization_endpoint_asks_three_times_at_most_or_with_four_statements_and_a_commit(
    measured: tuple[str, dict[str, Count]],
) -> None:
    _, counts = measured

    for flow in (flow for flow in MOST if flow.startswith("authorization,")):
        assert counts[flow].round_trips <= 3, flow
        assert counts[flow].statements <= 4, flow
        assert counts[flow].commits <= 1, flow
