"""The two cookies of a browser: the OP session cookie and the script-readable `op_browser_state` cookie."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..settings import SessionManagementSettings

_COOKIE_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OUR_VALUE = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MAX_COOKIE_HEADER = 64 * 1024
_MOST_OF_ONE_NAME = 4
"""How many different values of the session cookie one request may bring."""


def read_cookies(header: str | None) -> dict[str, str]:
    """Return the cookies of a Cookie header by name; never raises.

    A name that comes more than once is left out: a sibling host or another path has tossed a cookie in, and which one is this OP's cannot
    be known (`__Host-` names are safe from this). A header over 64 KiB counts as empty, and so does a part without a name.
    """
    cookies: dict[str, str] = {}
    repeated: set[str] = set()
    if is_too_long(header):
        return cookies
    for name, value in _pairs(header):
        if name in cookies:
            repeated.add(name)
        cookies[name] = value
    return {name: value for name, value in cookies.items() if name not in repeated}


def is_too_long(header: str | None) -> bool:
    """Return whether a Cookie header is longer than this OP reads: what is in it is not known then, which differs from "nothing"."""
    return header is not None and len(header) > _MAX_COOKIE_HEADER


def _pairs(header: str | None) -> Iterator[tuple[str, str]]:
    for part in (header or "").split(";"):
        name, separator, value = part.strip(" \t").partition("=")
        if separator and name:
            yield name, value


@dataclass(frozen=True, slots=True)
class SetCookie:
    """One cookie as it is set: for the whole host, never for others (no Domain), until the browser closes or, with `expire`, gone.

    Raises: ValueError: name or value has characters that could end it (header injection).
    """

    name: str
    value: str
    http_only: bool
    secure: bool
    same_site: Literal["None", "Lax"]
    expire: bool = False

    def __post_init__(self) -> None:
        if not _COOKIE_NAME.fullmatch(self.name):
            raise ValueError("not a cookie name")
        if not self.expire and not _OUR_VALUE.fullmatch(self.value):
            raise ValueError("not a base64url cookie value of at most 256 characters")

    def header_value(self) -> str:
        """Return the value of the Set-Cookie header."""
        parts = [f"{self.name}={'' if self.expire else self.value}", "Path=/"]
        if self.expire:
            parts += ["Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
        if self.http_only:
            parts.append("HttpOnly")
        if self.secure:
            parts.append("Secure")
        parts.append(f"SameSite={self.same_site}")
        return "; ".join(parts)


class CookiePolicy:
    """The two cookies of one issuer.

    An https issuer: `__Host-` names, `Secure`, `SameSite=None`, so that both reach the OP from an iframe in an RP's page (SM-16).
    The session cookie must as well as the state: else every true `changed` ends in `login_required` and a false logout at the RP.

    An http issuer is for trying out and must be on loopback. `__Host-` and `SameSite=None` need `Secure`, which not every browser
    accepts there, so the names are plain and SameSite is `Lax`. That is enough between RPs and OP on one loopback host: ports
    do not make another site. (`localhost` and `127.0.0.1` do: put all of them on the same name.)

    `Path` is `/` even if the issuer has a path: `__Host-` requires it, and another path would keep neither apart from
    scripts of the same origin. Neither cookie has a `Max-Age`: on a shared machine, closing the browser is what people do to
    leave, and both going together keeps the iframe from comparing with a session that has lost its cookie. How long
    the session lives at most is the OP's decision.

    Raises: ConfigError: the issuer is neither an https URL nor an http URL on loopback, or both cookies have one name.
    """

    def __init__(self, issuer: str, settings: SessionManagementSettings) -> None:
        self._secure = _needs_secure_cookies(issuer)
        prefix = "__Host-" if self._secure else ""
        self.session_cookie_name = prefix + settings.session_cookie
        self.browser_state_cookie_name = prefix + settings.browser_state_cookie
        if self.session_cookie_name == self.browser_state_cookie_name:
            raise ConfigError("browser_state_cookie", "must differ from session_cookie")

    def session_cookie(self, secret: str) -> str:
        """Return the Set-Cookie value that gives the browser its OP session; no script can read it.

        Raises: ValueError: `secret` is not base64url of at most 256 characters.
        """
        return self._cookie(self.session_cookie_name, secret, http_only=True)

    def expire_session_cookie(self) -> str:
        """Return the Set-Cookie value that removes the OP session's cookie."""
        return self._cookie(self.session_cookie_name, "", http_only=True, expire=True)

    def browser_state_cookie(self, value: str) -> str:
        """Return the Set-Cookie value for `op_browser_state`, which the iframe's script must be able to read (SM-11).

        It is replaced, never removed (SM-17): its absence means that the browser hides it from the iframe.

        Raises: ValueError: `value` is not base64url of at most 256 characters.
        """
        return self._cookie(self.browser_state_cookie_name, value, http_only=False)

    def session_secret(self, cookie_header: str | None) -> str | None:
        """Return the OP session's secret from a Cookie header; None when there is none, it is repeated, or it cannot be ours."""
        return _our_value(cookie_header, self.session_cookie_name)

    def session_secrets(self, cookie_header: str | None) -> list[str]:
        """Return every different value of the session cookie that can be ours, four at most.

        More than one comes from a broken proxy, or on http from another port or a sibling host (`__Host-` names are safe from these).
        Taken for none, they would make a logout look done while its session lives on.
        """
        if is_too_long(cookie_header):
            return []
        values = [value for name, value in _pairs(cookie_header) if name == self.session_cookie_name and _OUR_VALUE.fullmatch(value)]
        return list(dict.fromkeys(values))[:_MOST_OF_ONE_NAME]

    def browser_state(self, cookie_header: str | None) -> str | None:
        """Return `op_browser_state` from a Cookie header; None when there is none, it is repeated, or it cannot be ours."""
        return _our_value(cookie_header, self.browser_state_cookie_name)

    def _cookie(self, name: str, value: str, *, http_only: bool, expire: bool = False) -> str:
        same_site: Literal["None", "Lax"] = "None" if self._secure else "Lax"
        return SetCookie(name, value, http_only, self._secure, same_site, expire).header_value()


def _our_value(cookie_header: str | None, name: str) -> str | None:
    value = read_cookies(cookie_header).get(name)
    return value if value is not None and _OUR_VALUE.fullmatch(value) else None


def _needs_secure_cookies(issuer: str) -> bool:
    try:
        parts = urlsplit(issuer)
        host = parts.hostname
    except ValueError as err:
        raise ConfigError("issuer", "is not a URL") from err
    if parts.scheme == "https" and host:
        return True
    if parts.scheme == "http" and host and _is_loopback(host):
        return False
    raise ConfigError("issuer", "must be an https URL; http is allowed on localhost, 127.0.0.1 and [::1] alone")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
