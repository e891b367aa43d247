"""The secrets and signing keys: that they can be read, by nobody else, and are those of the other servers."""

from __future__ import annotations

from collections.abc import Iterator

from ...errors import SessionExtError
from ...store.base import Store
from ..config.settings import ServerSettings
from ..operations.shared_secrets import SharedSecrets
from .finding import Finding, Severity


def examine_keys(settings: ServerSettings, store: Store | Exception | None) -> Iterator[Finding]:
    """Yield what is wrong with them; those that the first start is going to make are no finding."""
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
                "The server refuses to start: what one server signs or seals the others would not believe.",
                f"Copy theirs here, or use `oic-session-ext {name} rotate`; `oic-session-ext adopt` if these are the right ones.",
            )
    except SessionExtError as err:
        yield Finding(
            Severity.PROBLEM,
            "secrets and keys",
            f"cannot be used: {err}",
            "The server refuses to start.",
            "Do as the message says; files must be readable by the server's user alone.",
        )
