"""Stylesheet, scripts and images, read once at start and served under names that contain their hash.

A name changes with its content, so browsers may keep an asset for a year and never show an old one.
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
"""What an asset may be; files of other types in the folder are not served."""


@dataclass(frozen=True)
class Asset:
    """One file as it is sent: `headers` are complete, Content-Type included."""

    content: bytes
    content_type: str
    headers: list[tuple[str, str]]


class Assets:
    """The assets of some folders; a file in a later folder takes the place of its namesake in an earlier one."""

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
        """The URL of the asset with this plain name (`style.css`).

        Raises: LookupError: there is no such asset.
        """
        try:
            return f"{self._base}/{self._hashed_names[name]}"
        except KeyError:
            raise LookupError(f"no asset is called {name!r}") from None

    def get(self, hashed_name: str) -> Asset | None:
        """The asset that is served under this hashed name, None when there is none."""
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
        # An SVG that is opened by its own address is a document; this keeps any script in it from running.
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ]
