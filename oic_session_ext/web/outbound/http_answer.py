"""The response of another server, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A status, headers by names in lower case (values of a repeated header are joined), and a body, which may be only its beginning."""

    status: int
    headers: Mapping[str, str]
    body: bytes
