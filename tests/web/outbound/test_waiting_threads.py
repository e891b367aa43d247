"""The limit on waiting threads."""

from __future__ import annotations

import pytest

from oic_session_ext.web.outbound.waiting_threads import WaitingThreads


def test_as_many_threads_wait_as_the_limit_says_and_no_more() -> None:
    waiting = WaitingThreads(2)

    with waiting.place() as first, waiting.place() as second, waiting.place() as third:
        assert (first, second, third) == (True, True, False)


def test_a_place_is_free_again_after_its_block_ended() -> None:
    waiting = WaitingThreads(1)
    with waiting.place():
        pass

    with waiting.place() as is_free:
        assert is_free


def test_a_place_is_free_again_after_its_block_raised() -> None:
    waiting = WaitingThreads(1)
    with pytest.raises(ValueError, match="x"), waiting.place():
        raise ValueError("x")

    with waiting.place() as is_free:
        assert is_free


def test_a_refused_thread_takes_no_place_from_another() -> None:
    waiting = WaitingThreads(1)
    with waiting.place():
        with waiting.place() as refused:
            assert not refused
        with waiting.place() as refused_too:
            assert not refused_too
