"""pyoidc's session database on our store: a row is a grant, read and written through the request's unit of work."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast, get_args

from oic.utils.sdb import SessionDB
from oic.utils.session_backend import SessionBackend

from ...clock import Clock
from ...crypto.record_id import RECORD_ID_LENGTH
from ...crypto.secret_ring import SecretRing
from ...model import Grant
from ...settings import SessionManagementSettings
from ...store.base import GrantAttribute, Store
from ...store.unit_of_work import UnitOfWork
from ..request.scope import current_scope
from .sealed_token import NoSuchGrant, SealedToken, StoredRefreshToken

_NEVER_STORED = frozenset({"code", "access_token", "refresh_token", "id_token", "verified_logout"})
"""Fields of pyoidc's row that must not be stored: a reader of the store could use them."""

_MOST = 10_000
"""How many grants a look-up by an attribute returns at most; a user or a `sub` has far fewer."""


class StoreSessionBackend(SessionBackend):
    """A `SessionBackend` whose rows are grants of a `Store`.

    Inside a request all reads and writes go through its unit of work and are committed with it; outside of one (a
    script) each write is committed by itself.
    """

    def __init__(self, store: Store, settings: SessionManagementSettings, clock: Clock) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock

    @contextmanager
    def unit(self) -> Iterator[UnitOfWork]:
        """Give the request's unit of work, or outside of a request one that is committed at the end of the block."""
        scope = current_scope()
        if scope is not None and scope.uow is not None and scope.uow.store is self._store:
            yield scope.uow
            return
        uow = UnitOfWork(self._store, self._clock(), stored_row=stored_row)
        yield uow
        uow.commit()

    def __getitem__(self, key: object) -> dict[str, Any]:
        """Return the row of a grant. Raises: NoSuchGrant: there is none."""
        if not isinstance(key, str) or len(key) != RECORD_ID_LENGTH:
            raise NoSuchGrant(key)  # pyoidc asks with tokens too: these are never ids
        with self.unit() as uow:
            grant = uow.grant(key)
        if grant is None:
            raise NoSuchGrant(key)
        return cast("dict[str, Any]", grant.data)

    def __setitem__(self, key: str, value: Mapping[str, Any]) -> None:
        """Keep the row of a grant, new or changed: this very row, which pyoidc goes on changing within the request."""
        row = value if isinstance(value, dict) else dict(value)
        with self.unit() as uow:
            scope = current_scope()
            in_request = scope is not None and uow is scope.uow  # there a row that was not read is one just made
            if uow.grant_is_new(key) if in_request else uow.grant(key) is None:
                uow.put_grant(self._new_grant(key, row))
            else:
                uow.update_grant_data(key, row)

    def __delitem__(self, key: str) -> None:
        """Remove a grant and with it every token issued from it."""
        with self.unit() as uow:
            uow.delete_grant(key)

    def __contains__(self, key: object) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def get_by_uid(self, uid: str) -> list[str]:
        """Return the ids of a user's grants."""
        return self._store.grant_ids("uid", uid, _MOST)

    def get_by_sub(self, sub: str) -> list[str]:
        """Return the ids of the grants in which the user is known as `sub`."""
        return self._store.grant_ids("sub", sub, _MOST)

    def get(self, attr: str, val: str) -> list[str]:
        """Return the ids of the grants with this value of an indexed attribute.

        Raises: KeyError: the attribute is not indexed; a look-up that reads every session is not offered.
        """
        if attr not in get_args(GrantAttribute):
            raise KeyError(attr)
        return self._store.grant_ids(cast(GrantAttribute, attr), val, _MOST)

    def _new_grant(self, key: str, row: dict[str, Any]) -> Grant:
        now = self._clock()
        return Grant(
            id=key,
            client_id=str(row.get("client_id", "")),
            uid=_uid_of(row),
            sub=str(row.get("sub", "")),
            op_session_id=None,
            sid=row.get("sid"),
            data=row,
            created_at=now,
            expires_at=now + self._settings.code_lifetime_s + self._settings.access_token_lifetime_s,  # redeemed at the last moment
        )


def stored_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of pyoidc's row may lie in the store: everything but the secrets it holds."""
    return {key: value for key, value in row.items() if key not in _NEVER_STORED}


def _uid_of(row: Mapping[str, Any]) -> str:
    event = row.get("authn_event")
    if isinstance(event, str):
        event = json.loads(event)
    return str(event["uid"]) if isinstance(event, Mapping) else ""


class StoreSessionDB(SessionDB):
    """pyoidc's session database, which distinguishes a grant that has ended from every other fault."""

    def __getitem__(self, item: str) -> Any:
        """Return the row of a grant, by its id or a code or token of it. Raises: NoSuchGrant: there is none."""
        try:
            return super().__getitem__(item)
        except KeyError as err:
            raise NoSuchGrant(item) from err


def create_session_db(issuer: str, store: Store, secrets: SecretRing, settings: SessionManagementSettings, clock: Clock) -> SessionDB:
    """Return pyoidc's SessionDB on a store, with sealed tokens."""
    backend = StoreSessionBackend(store, settings, clock)
    return StoreSessionDB(
        issuer,
        backend,
        code_factory=SealedToken("A", secrets, settings.code_lifetime_s, clock),
        token_factory=SealedToken("T", secrets, settings.access_token_lifetime_s, clock),
        refresh_token_factory=StoredRefreshToken(secrets, settings.refresh_token_lifetime_s, clock, backend.unit),
    )
