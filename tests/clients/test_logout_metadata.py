"""What a client registers about logout must fit what this OP does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from oic_session_ext.clients.logout_metadata import LogoutSupport, logout_support_problems
from tests.bundled_op import CLIENTS, Op, keys_file, make_op, make_settings

__all__ = ["keys_file", "make_op"]

CHANNELS = ["frontchannel", "backchannel"]
OFF: dict[str, dict[str, Any]] = {"frontchannel": {"frontchannel": False}, "backchannel": {"backchannel": {"enabled": False}}}


def problems(metadata: dict[str, object], **support: bool) -> list[Any]:
    return list(logout_support_problems(metadata, replace(LogoutSupport(), **support)))  # type: ignore[arg-type]


@pytest.mark.spec("REG-10")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_session_cannot_be_required_of_a_channel_that_is_off(channel: str) -> None:
    name = f"{channel}_logout_session_required"

    assert problems({name: True}, **{channel: False}) == [((name,), f"cannot be true: this OP has no {channel} logout")]
    assert not problems({name: False}, **{channel: False})
    assert not problems({name: True}, **{channel: True})


@pytest.mark.spec("REG-10")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_of_the_settings_that_requires_it_stops_the_start(channel: str) -> None:
    clients = [{**CLIENTS[0], f"{channel}_logout_session_required": True}]

    make_settings(clients=clients)
    with pytest.raises(ValueError, match=f"{channel}_logout_session_required"):
        make_settings(clients=clients, logout=OFF[channel])


@pytest.mark.spec("REG-10")
@pytest.mark.parametrize("channel", CHANNELS)
def test_a_client_that_registers_itself_and_requires_it_is_refused(make_op: Callable[..., Op], channel: str) -> None:
    browser = make_op(registration={"mode": "open"}, logout=OFF[channel]).browser()
    body = b'{"redirect_uris": ["https://new.example.com/cb"], "%s_logout_session_required": true}' % channel.encode()

    answer = browser.send("POST", "/registration", body, {"Content-Type": "application/json"})

    assert (answer.status, answer.error) == (400, "invalid_client_metadata")
