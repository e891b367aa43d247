"""Ids of records are in the order of their making, and nobody can guess one."""

from __future__ import annotations

from oic_session_ext.crypto.record_id import RECORD_ID_LENGTH, new_record_id

NOW = 1_800_000_000


def test_no_two_ids_of_one_second_are_the_same() -> None:
    ids = {new_record_id(NOW) for _ in range(1000)}

    assert len(ids) == 1000
    assert {len(each) for each in ids} == {RECORD_ID_LENGTH}


def test_later_ids_come_after_earlier_ones() -> None:
    ids = [new_record_id(NOW + second) for second in range(1000)]

    assert ids == sorted(ids)


def test_an_id_of_a_far_day_is_no_longer_than_others() -> None:
    assert len(new_record_id(2**33)) == RECORD_ID_LENGTH
