"""The user's own answer to "do you want to sign out?": one use, short-lived, and of this browser alone (OIDCRIL-2, RFC 9700, 4.16)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ..crypto.opaque_secret import digest_of, new_secret
from ..errors import InvalidConfirmation
from ..model import EphemeralRecord, OpSession
from ..store.changes import PutEphemeral, TakeEphemeral
from ..store.unit_of_work import UnitOfWork

LOGOUT_CONFIRMATION = "logout_confirmation"
"""Kind of the short-lived records that hold an open logout question."""


@dataclass(frozen=True, slots=True)
class PendingLogout:
    """What has been found out before the user was asked and is acted on once they have answered.

    `post_logout_redirect_uri` is set only when it may be redirected to after a "yes".
    """

    client_id: str | None = None
    post_logout_redirect_uri: str | None = None
    state: str | None = None
    problem: str | None = None
    ui_locales: tuple[str, ...] = ()


def issue_confirmation(uow: UnitOfWork, session: OpSession, pending: PendingLogout, lifetime_s: int) -> str:
    """Keep `pending` until the user answers; return the secret that the form sends back.

    The store knows its digest alone, and that it is good for this OP session.
    """
    secret = new_secret()
    payload = {
        "op_session_id": session.id,
        "client_id": pending.client_id,
        "post_logout_redirect_uri": pending.post_logout_redirect_uri,
        "state": pending.state,
        "problem": pending.problem,
        "ui_locales": list(pending.ui_locales),
    }
    uow.add(PutEphemeral(EphemeralRecord(LOGOUT_CONFIRMATION, secret.digest, uow.now + lifetime_s, payload)))
    return secret.value


def take_confirmation(uow: UnitOfWork, secret: str, session: OpSession) -> PendingLogout:
    """Return what was pending and spend the secret, in the same commit as what is done about it.

    Raises: InvalidConfirmation: it is missing, spent, expired, or was given to another OP session; then nothing is spent.
    """
    digest = digest_of(secret)
    record = None if digest is None else uow.ephemeral(LOGOUT_CONFIRMATION, digest)
    if record is None:
        raise InvalidConfirmation("this question has been answered already, or too late")
    payload = record.payload
    if not hmac.compare_digest(payload["op_session_id"].encode(), session.id.encode()):
        raise InvalidConfirmation("this question was not asked in this browser")
    uow.add(TakeEphemeral(LOGOUT_CONFIRMATION, record.key, uow.now))
    return PendingLogout(
        client_id=payload["client_id"],
        post_logout_redirect_uri=payload["post_logout_redirect_uri"],
        state=payload["state"],
        problem=payload["problem"],
        ui_locales=tuple(payload["ui_locales"]),
    )
