"""A user of the bundled server in the settings file."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from ...claims import PROTOCOL_CLAIMS
from ...validation import Problem
from .types import SettingsSection

_ARGON2ID = re.compile(r"\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})")
_MOST_ARGON2_COSTS = (4 * 1024 * 1024, 100, 64)  # KiB of memory, iterations, parallelism: higher costs would overload the server
_TEXT_CLAIMS = frozenset(
    {
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "email",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "phone_number",
    }
)
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_FLAG_CLAIMS = frozenset({"email_verified", "phone_number_verified"})
# A user's own data must not override claims of the protocol.
_RESERVED_CLAIMS = PROTOCOL_CLAIMS | {"events", "cnf", "_claim_names", "_claim_sources"}


def normalize_login_text(text: str) -> str:
    """Return a user name or password in the form in which it is compared (NFC, RFC 8265).

    Keyboards compose an umlaut in different ways that users cannot distinguish.
    """
    return unicodedata.normalize("NFC", text)


def normalize_username(username: str) -> str:
    """Return a user name in the form in which it is compared: in NFC, without surrounding white space, which phones' keyboards add."""
    return normalize_login_text(username.strip())


def _check_username(username: str) -> str:
    if not username.isprintable() or username != username.strip():
        raise PydanticCustomError("refused", "must be printable text without leading or trailing space")
    return normalize_login_text(username)


def _check_hash(encoded: str) -> str:
    match = _ARGON2ID.fullmatch(encoded)
    is_good = match is not None and all(_is_unpadded_base64(part) for part in match.groups()[3:])
    if match is None or not is_good or any(int(cost) > most for cost, most in zip(match.groups(), _MOST_ARGON2_COSTS, strict=False)):
        raise PydanticCustomError("refused", "must be a line that `oic-session-ext users hash` prints: $argon2id$v=19$m=...")
    return encoded


def _is_unpadded_base64(text: str) -> bool:
    """Return whether argon2 can decode `text`; otherwise a damaged line would fail only when the user signs in."""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return False
    return base64.b64encode(decoded).decode().rstrip("=") == text


class UserSettings(SettingsSection):
    """A user who can sign in."""

    username: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_check_username)]
    """The name that the user enters to sign in; case-sensitive. It is the user's identity: a renamed user is a different user."""

    password_hash: Annotated[str, AfterValidator(_check_hash)] | None = None
    """The argon2id line that `oic-session-ext users hash` prints."""

    password: Annotated[SecretStr, Field(min_length=1, max_length=1000)] | None = None
    """The password in plain text, for benchmarks only (`login.cheap_passwords_for_benchmarks`)."""

    claims: dict[str, Any] = Field(default_factory=dict)
    """The user's data for clients, by the claim names of OpenID Connect Core 5.1: `name`, `email`, `email_verified` ... A text may have
    further languages, with the language tag after the name: `name#de`, `address#fr-CA`."""

    def problems(self) -> Iterator[Problem]:
        """Yield a missing or duplicate password, and claims of a wrong type."""
        if (self.password_hash is None) == (self.password is None):
            yield (), "must have exactly one of password_hash, password"
        for name, value in self.claims.items():
            if problem := _claim_problem(name, value):
                yield ("claims", name), problem


def _claim_problem(tagged: str, value: Any) -> str:
    name, separator, tag = tagged.partition("#")
    if separator and not _LANGUAGE_TAG.fullmatch(tag):
        return "must have a language tag, such as `de` or `fr-CA`, after the #"
    if name in _RESERVED_CLAIMS:
        return "is set by the OP itself"
    if separator and (name in _FLAG_CLAIMS or name == "updated_at"):
        return "has no language"
    if name in _FLAG_CLAIMS and not isinstance(value, bool):
        return "must be true or false"
    if name in _TEXT_CLAIMS and not (isinstance(value, str) and value):
        return "must be text; put it in quotes"
    if name == "address" and not (isinstance(value, dict) and all(isinstance(part, str) for part in value.values())):
        return "must be a section whose values are text (OIDCC-5.1.1)"
    if name == "updated_at" and (isinstance(value, bool) or not isinstance(value, int | float)):
        return "must be a number: seconds since 1970"
    return ""
