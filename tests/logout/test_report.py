"""What is said of each RP: no more than is known."""

from __future__ import annotations

from typing import Any

import pytest

from oic_session_ext.logout.report import EndedRp, RpStatus, ended_rps, shown_name
from oic_session_ext.model import Channel, LogoutNotice, NotifyStatus, OpSession, Reason, RpSession
from oic_session_ext.settings import DeliverySettings

FRAME = "https://rp.example.org/fc"


def rp(*, notice_id: str | None = None, frame: str | None = None, wants_to_know: bool = True) -> EndedRp:
    return EndedRp("rp", "RP", notice_id, frame, wants_to_know)


@pytest.mark.spec("BC-36", "FC-14")
@pytest.mark.parametrize(
    ("frame", "told", "status"),
    [
        (None, NotifyStatus.DELIVERED, RpStatus.SIGNED_OUT),
        (None, NotifyStatus.PENDING, RpStatus.PENDING),
        (None, NotifyStatus.UNDELIVERABLE, RpStatus.UNREACHABLE),
        (FRAME, NotifyStatus.DELIVERED, RpStatus.SIGNED_OUT_AND_ASKED),
        (FRAME, NotifyStatus.PENDING, RpStatus.PENDING_AND_ASKED),
        (FRAME, NotifyStatus.UNDELIVERABLE, RpStatus.UNREACHABLE_AND_ASKED),
    ],
)
def test_a_back_channel_decides_and_a_front_channel_adds(frame: str | None, told: NotifyStatus, status: RpStatus) -> None:
    assert rp(notice_id="n", frame=frame).status({"n": told, "other": NotifyStatus.DELIVERED}) is status


def test_a_notice_of_which_nothing_is_known_is_still_to_be_delivered() -> None:
    assert rp(notice_id="n").status({}) is RpStatus.PENDING


@pytest.mark.spec("FC-14")
def test_a_front_channel_alone_is_only_said_to_be_asked() -> None:
    assert rp(frame=FRAME).status({}) is RpStatus.ASKED


def test_an_rp_with_a_uri_that_cannot_be_used_could_not_be_reached() -> None:
    assert rp().status({}) is RpStatus.UNREACHABLE


def test_an_rp_without_a_logout_uri_was_not_told() -> None:
    assert rp(wants_to_know=False).status({}) is RpStatus.NOT_TOLD


def test_only_an_rp_that_wanted_to_be_told_and_was_not_makes_a_logout_unfinished() -> None:
    assert {status for status in RpStatus if status.is_unfinished} == {
        RpStatus.PENDING,
        RpStatus.PENDING_AND_ASKED,
        RpStatus.UNREACHABLE,
        RpStatus.UNREACHABLE_AND_ASKED,
    }


@pytest.mark.spec("FC-01", "RI-40")
def test_every_rp_of_the_session_is_spoken_of_by_its_own_channels() -> None:
    clients: dict[str, dict[str, Any]] = {
        "back": {"backchannel_logout_uri": "https://back.example/bc", "client_name": "Back"},
        "front": {"frontchannel_logout_uri": "https://front.example/fc", "frontchannel_logout_add_session": False},
        "bad": {"frontchannel_logout_uri": "javascript:alert(1)"},
        "bare": {},
    }
    rps = tuple(RpSession(f"sid-{name}", name, "sub", 0) for name in [*clients, "deregistered"])
    session = OpSession("id", "digest", "alice", 0, "acr", "state", "seed", 0, 0, 0, 0, rp_sessions=rps)
    notice = LogoutNotice("n1", Channel.BACKCHANNEL, "back", "alice", "sub", "sid-back", Reason.USER, 0, 0)

    assert ended_rps(session, [notice], clients, "https://op.example.org", DeliverySettings()) == (
        EndedRp("back", "Back", "n1", None, wants_to_know=True),
        EndedRp("front", "front", None, "https://front.example/fc", wants_to_know=True),
        EndedRp("bad", "bad", None, None, wants_to_know=True),
        EndedRp("bare", "bare", None, None, wants_to_know=False),
        EndedRp("deregistered", "deregistered", None, None, wants_to_know=False),
    )


@pytest.mark.parametrize(
    ("client_name", "shown"),
    [("Mail", "Mail"), (None, "rp"), ("", "rp"), ("  ", "rp"), (7, "rp"), ("x" * 80, "x" * 80), ("x" * 81, "x" * 79 + "…")],
)
def test_a_client_is_called_by_its_name_which_is_cut_when_it_is_very_long(client_name: Any, shown: str) -> None:
    assert shown_name("rp", {"rp": {"client_name": client_name}}) == shown
