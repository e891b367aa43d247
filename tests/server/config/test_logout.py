"""`logout.deadline` and `logout.backchannel` of a settings file: what they mean, and what is refused."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.settings import DeliverySettings, SessionManagementSettings
from tests.bundled_op import make_settings
from tests.flows.test_tls import make_certificate


def settings_with(**backchannel: Any) -> ServerSettings:
    return make_settings(logout={"backchannel": backchannel})


def problem_of(logout: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        make_settings(logout=logout)
    [error] = caught.value.errors(include_url=False)
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def test_without_a_word_of_them_they_are_the_extensions_own() -> None:
    settings = make_settings().session_management_settings()

    assert settings.delivery == DeliverySettings()
    assert settings.logout_deadline_s == SessionManagementSettings().logout_deadline_s


def test_every_setting_reaches_the_delivery(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path)
    settings = make_settings(
        logout={
            "deadline": "4s",
            "backchannel": {
                "allow_networks": ["127.0.0.0/8", "fd00::/8", "10.1.2.3"],
                "ca_file": str(certificate),
                "token_lifetime": "1m",
                "connect_timeout": "2s",
                "timeout": "3s",
                "max_concurrency": 16,
                "max_concurrency_per_client": 2,
                "poll_interval": "4s",
                "lease": "20s",
                "first_pause": "6s",
                "max_pause": "7m",
                "max_attempts": 8,
                "give_up_after": "9h",
                "undeliverable_kept": "10d",
                "breaker_failures": 11,
                "breaker_max_pause": "12m",
            },
        }
    ).session_management_settings()

    assert settings.logout_deadline_s == 4
    assert settings.delivery == DeliverySettings(
        allow_networks=(ip_network("127.0.0.0/8"), ip_network("fd00::/8"), ip_network("10.1.2.3")),
        ca_file=str(certificate),
        token_lifetime_s=60,
        connect_timeout_s=2,
        timeout_s=3,
        max_concurrency=16,
        max_concurrency_per_rp=2,
        poll_interval_s=4,
        lease_s=20,
        first_pause_s=6,
        max_pause_s=420,
        max_attempts=8,
        give_up_after_s=9 * 3600,
        undeliverable_kept_s=10 * 86400,
        breaker_failures=11,
        breaker_max_pause_s=720,
    )


@pytest.mark.spec("BC-08", "PY-04")
def test_a_logout_token_lives_two_minutes_at_most() -> None:
    assert problem_of({"backchannel": {"token_lifetime": "3m"}}) == "logout.backchannel.token_lifetime: must be at most 120s"


@pytest.mark.parametrize(
    ("logout", "problem"),
    [
        ({"deadline": "31s"}, "logout.deadline: must be at most 30s: the user waits for it"),
        ({"frontchannel_wait": "31s"}, "logout.frontchannel_wait: must be at most 30s: the user waits for it"),
        ({"backchannel": {"timeout": "2m", "lease": "5m"}}, "logout.backchannel.timeout: must be at most 60s"),
        ({"backchannel": {"connect_timeout": "2m"}}, "logout.backchannel.connect_timeout: must be at most 60s"),
        ({"backchannel": {"poll_interval": "1h"}}, "logout.backchannel.poll_interval: must be at most 60s"),
        ({"backchannel": {"lease": "9s"}}, "logout.backchannel.lease: must be at least 5s longer than timeout, so that no attempt outlives it"),  # noqa: E501
        ({"backchannel": {"ca_file": "/nowhere"}}, "logout.backchannel.ca_file: /nowhere cannot be read as PEM certificates: No such file or directory"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_by_name(logout: dict[str, Any], problem: str) -> None:
    assert problem_of(logout) == problem


@pytest.mark.parametrize(
    "backchannel",
    [{"deliver": "nowhere"}, {"allow_networks": ["10.0.0.1/8"]}, {"allow_networks": ["localhost"]}, {"max_concurrency": 1}, {"retries": 3}],
)
def test_what_is_no_value_of_a_setting_is_refused(backchannel: dict[str, Any]) -> None:
    assert problem_of({"backchannel": backchannel}).startswith("logout.backchannel.")


@pytest.mark.spec("BC-08")
@pytest.mark.parametrize("fields", [{"token_lifetime_s": 121}, {"token_lifetime_s": 0}, {"lease_s": 9}, {"timeout_s": 61}])
def test_the_extensions_own_settings_refuse_the_same(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DeliverySettings(**fields)
