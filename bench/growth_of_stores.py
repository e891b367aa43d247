"""The use cases on a store, without HTTP and signatures: a sign-in, and a silent sign-in and a logout of old sessions.

Old sessions are selected at random, so that their data is not cached: the worst case for every cache.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bench.filled_stores import RPS, SETTINGS, Filled, digest, grant_of
from oic_session_ext.crypto.opaque_secret import digest_of
from oic_session_ext.model import Reason
from oic_session_ext.sessions.op_session import begin_op_session, end_op_session, join_rp, use_op_session
from oic_session_ext.store.unit_of_work import UnitOfWork

CLIENTS: Mapping[str, Mapping[str, Any]] = {rp: {"backchannel_logout_uri": f"https://{rp}.example.com/out"} for rp in RPS}


class StoreSteps:
    """The measured steps on a filled store."""

    def __init__(self, filled: Filled, chance: random.Random) -> None:
        self._filled = filled
        self._chance = chance
        self.steps: Mapping[str, Callable[[], None]] = {"login": self.login, "sso": self.sso, "logout": self.logout}

    def cpu_s(self) -> float:
        """Return the CPU time of this process."""
        return time.process_time()

    def login(self) -> None:
        """Sign a new user in at the first RP."""
        uow = self._unit_of_work()
        uid = f"user-{secrets.token_hex(8)}"
        session, secret = begin_op_session(uow, uid=uid, acr="pwd", auth_time=uow.now, present=None, settings=SETTINGS, clients=CLIENTS)
        rp = join_rp(uow, session, RPS[0], hashlib.sha256(uid.encode()).hexdigest(), SETTINGS)
        uow.put_grant(grant_of(session, rp, uow.now))
        uow.commit()
        known = digest_of(secret)
        assert known is not None
        self._filled.cookies.append(known)

    def sso(self) -> None:
        """Sign a random user in silently at the second RP."""
        uow = self._unit_of_work()
        session = uow.op_session_by_cookie(_text(self._chance.choice(self._filled.cookies)))
        assert session is not None
        use_op_session(uow, replace(session, last_active_at=uow.now), SETTINGS)  # activity is recorded once a minute; this call records it
        rp = join_rp(uow, session, RPS[1], hashlib.sha256(session.uid.encode()).hexdigest(), SETTINGS)
        uow.put_grant(grant_of(session, rp, uow.now))
        uow.commit()

    def logout(self) -> None:
        """Sign out a random user."""
        cookies = self._filled.cookies
        at = self._chance.randrange(len(cookies))
        cookies[at], cookies[-1] = cookies[-1], cookies[at]
        uow = self._unit_of_work()
        session = uow.op_session_by_cookie(_text(cookies.pop()))
        assert session is not None
        end_op_session(uow, session, Reason.RP_INITIATED, CLIENTS, SETTINGS)
        uow.commit()

    def renew(self) -> None:
        """Do nothing: there is no server."""

    def close(self) -> None:
        """Do nothing: the caller closes the store."""

    def _unit_of_work(self) -> UnitOfWork:
        return UnitOfWork(self._filled.store, int(time.time()))


def _text(cookie: int | str) -> str:
    return cookie if isinstance(cookie, str) else digest(cookie)
