"""Files that hold secrets: made whole or not at all, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from .errors import ConfigError

_MAX_FILE_BYTES = 1024 * 1024


def load_or_create_private(path: Path, make: Callable[[], str]) -> str:
    """Return what a file holds; when there is no file, make one with mode 0600 and what `make` returns.

    Of several processes that start at once one makes the file, and all return the same text.

    Raises: ConfigError: the file can be read by group or others, is not ASCII, or cannot be read or made.
    """
    try:
        if not path.exists():
            _create(path, make())
        return _read(path)
    except OSError as err:
        raise ConfigError(str(path), f"the file cannot be read or made: {err.strerror}") from err


def _create(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # the file appears whole, and only when nobody else has made one
        except FileExistsError:
            return
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> str:
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise ConfigError(str(path), "the file can be read by group or others; allow its owner alone (chmod 600)")
        content = file.read(_MAX_FILE_BYTES)
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError(str(path), "must hold ASCII text") from None
