"""Checks of the secrets and signing keys: only the server can read them, and the other servers use the same."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import SessionExtError
from ...store.base import Store
from ..config.settings import ServerSettings
from ..operations.shared_secrets import SharedSecrets
from .finding import Finding, Severity


def examine_keys(settings: ServerSettings, store: Store | Exception | None) -> Iterator[Finding]:
    """Yield their problems; a missing file is not a problem, because the first start creates it."""
    files = [file for file in (settings.secrets_file, settings.keys_file) if file is not None]
    if not isinstance(store, Store) or not all(file.exists() for file in files):
        return
    try:
        shared = SharedSecrets(settings, store)
        for name in shared.differing():
            yield Finding(
                Severity.PROBLEM,
                name,
                "are not those that the other servers of the store use",
                "The server refuses to start: the others would not accept what it signs or encrypts.",
                f"Copy theirs here, or use `oic-session-ext {name} rotate`; `oic-session-ext adopt` if these are the right ones.",
            )
    except SessionExtError as err:
        yield Finding(
            Severity.PROBLEM,
            "secrets and keys",
            f"cannot be used: {err}",
            "The server refuses to start.",
            "Follow the message; files must be readable by the server's user only.",
        )
