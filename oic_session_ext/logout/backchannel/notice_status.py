"""What became of notices, read from the store: the same for every server and process."""

from __future__ import annotations

from collections.abc import Iterable

from ...model import NoticeState, NotifyStatus
from ...store.base import Store


def notice_statuses(store: Store, notice_ids: Iterable[str]) -> dict[str, NotifyStatus]:
    """Return the status of each notice, one look-up each; a notice that is not there any more was delivered."""
    statuses = {}
    for notice_id in notice_ids:
        notice = store.notice(notice_id)
        if notice is None:
            statuses[notice_id] = NotifyStatus.DELIVERED
        else:
            statuses[notice_id] = NotifyStatus.PENDING if notice.state is NoticeState.PENDING else NotifyStatus.UNDELIVERABLE
    return statuses
