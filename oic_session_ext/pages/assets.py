"""Stylesheet, scripts and images, read once at start and served under names with their hash.

The name changes with the content, so that browsers can cache an asset for a year and never use an outdated one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}
"""The types of assets; files of other types in the folder are not served."""


@dataclass(frozen=True)
class Asset:
    """A file to send: `headers` are complete, including Content-Type."""

    content: bytes
    content_type: str
    headers: list[tuple[str, str]]


class Assets:
    """The assets of some folders; a file in a later folder replaces the file of the same name in an earlier one."""

    def __init__(self, base: str, folders: Iterable[Traversable]) -> None:
        self._base = base.rstrip("/")
        self._hashed_names: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        files = {file.name: file for folder in folders if folder.is_dir() for file in folder.iterdir() if file.is_file()}
        for name, file in files.items():
            content_type = CONTENT_TYPES.get(PurePosixPath(name).suffix)
            if content_type is not None:
                self._add(name, file.read_bytes(), content_type)

    def url(self, name: str) -> str:
        """Return the URL of the asset with this plain name (`style.css`).

        Raises: LookupError: the asset does not exist.
        """
        try:
            return f"{self._base}/{self._hashed_names[name]}"
        except KeyError:
            raise LookupError(f"no asset is called {name!r}") from None

    def get(self, hashed_name: str) -> Asset | None:
        """Return the asset of this hashed name, or None."""
        return self._assets.get(hashed_name)

    def _add(self, name: str, content: bytes, content_type: str) -> None:
        path = PurePosixPath(name)
        hashed_name = f"{path.stem}.{sha256(content).hexdigest()[:16]}{path.suffix}"
        self._hashed_names[name] = hashed_name
        self._assets[hashed_name] = Asset(content, content_type, _asset_headers(content_type))


def _asset_headers(content_type: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", content_type),
        ("Cache-Control", "public, max-age=31536000, immutable"),
        ("X-Content-Type-Options", "nosniff"),
        # An SVG that is opened by its own URL is a document; this header blocks scripts in it.
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ]
