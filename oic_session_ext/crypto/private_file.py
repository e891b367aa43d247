"""Files that hold secrets: made whole or not at all, readable by their owner alone."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import ConfigError

fcntl: Any
try:
    import fcntl
except ImportError:  # not a POSIX system: there two processes must not replace a file at the same time
    fcntl = None

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


def replace_private(path: Path, text: str, *, instead_of: str) -> None:
    """Put `text` in the place of what a file holds, in one step, with mode 0600 and the same owner.

    A reader gets the one or the other, whole. Of several processes that do this at once each sees what the one before left.

    Raises: ConfigError: it does not hold `instead_of` any more, or it cannot be replaced; then it is as it was.
    """
    try:
        path = path.resolve(strict=True)  # what a link leads to, not the link
        with _folder_of(path) as folder:
            if fcntl is not None:
                fcntl.flock(folder, fcntl.LOCK_EX)
            if _read(path) != instead_of:
                raise ConfigError(str(path), "another process has just changed the file; nothing was done, see what it holds now")
            owner = path.stat()
            with _draft_of(path, text) as draft:
                if (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                    os.chown(draft, owner.st_uid, owner.st_gid)  # else the servers could not read it
                draft.replace(path)
            os.fsync(folder)
    except OSError as err:
        raise ConfigError(str(path), f"the file cannot be replaced: {err.strerror}") from err


def _create(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _draft_of(path, text) as draft, suppress(FileExistsError):
        os.link(draft, path)  # the file appears whole, and only if no other process has made one
    with _folder_of(path) as folder:
        os.fsync(folder)


@contextmanager
def _draft_of(path: Path, text: str) -> Iterator[Path]:
    """Give a file beside `path` that holds the text, durably; it is gone afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _folder_of(path: Path) -> Iterator[int]:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield folder
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
