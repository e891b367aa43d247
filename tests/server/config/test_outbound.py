"""The section `outbound` of a settings file: what reaches the extension, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from oic_session_ext.settings import OutboundSettings
from tests.bundled_op import make_settings


def test_without_the_section_the_limits_are_those_of_the_extension() -> None:
    assert make_settings().session_management_settings().outbound == OutboundSettings()


@pytest.mark.parametrize(("threads", "waiting"), [(1, 1), (3, 1), (10, 2), (40, 10)])
def test_a_quarter_of_the_threads_may_wait(threads: int, waiting: int) -> None:
    settings = make_settings(listen={"threads": threads}).session_management_settings()

    assert (settings.outbound.max_waiting_threads, settings.delivery.max_waiting_threads) == (waiting, waiting)


def test_every_setting_reaches_the_extension() -> None:
    given: dict[str, Any] = {"timeout": "7s", "max_waiting_threads": 3, "max_concurrency": 5, "max_concurrency_per_host": 2}
    given |= {"breaker_failures": 4, "breaker_first_pause": "20s", "breaker_max_pause": "2m", "lookup_threads": 16, "lookup_cache": "1m"}
    settings = make_settings(outbound=given).session_management_settings()

    assert settings.outbound == OutboundSettings(
        timeout_s=7,
        max_waiting_threads=3,
        max_concurrency=5,
        max_concurrency_per_host=2,
        breaker_failures=4,
        breaker_first_pause_s=20,
        breaker_max_pause_s=120,
        lookup_threads=16,
        lookup_cache_s=60,
    )
    assert settings.delivery.max_waiting_threads == 3


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"timeout": "61s"}, "outbound.timeout"),
        ({"lookup_cache": "2h"}, "outbound.lookup_cache"),
        ({"lookup_threads": 3}, "outbound.lookup_threads"),
        ({"max_waiting_threads": 0}, "outbound.max_waiting_threads"),
        ({"nonsense": 1}, "outbound.nonsense"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(given: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make_settings(outbound=given)

    assert [".".join(map(str, error["loc"])) for error in caught.value.errors(include_url=False)] == [path]
