"""Which claims about a user one response has: those of the scopes, those asked for by name, in the languages asked for.

Userinfo and ID Tokens ask here (OIDCC-5.2, -5.4, -5.5); the consent page too, so that no claim is returned that the user was not
asked about.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .web.language_tag import MAX_TAG_LENGTH, fallbacks

Part: TypeAlias = Literal["userinfo", "id_token"]

PROTOCOL_CLAIMS = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "acr", "amr", "azp", "nonce", "auth_time", "sid", "at_hash", "c_hash", "s_hash"}
)
"""Claims about a token or a login, not about the user."""


_MOST_LOCALES = 10


@dataclass(frozen=True, slots=True)
class RequestedClaims:
    """The claims of one answer.

    `wishes` are names, a language tag behind `#` among them, each with what it must be like: None, or the members `essential`, `value`
    and `values` of OIDCC-5.5.1. `locales` are language tags in the order of preference.
    """

    wishes: Mapping[str, Mapping[str, Any] | None]
    locales: tuple[str, ...] = ()

    def names(self) -> dict[str, Mapping[str, Any] | None]:
        """Return the requests for the source of the claims: each with its form in every language that may serve."""
        tags = list(dict.fromkeys(tag for locale in self.locales for tag in fallbacks(locale)))
        found = dict(self.wishes)
        for name, wish in self.wishes.items():
            if "#" not in name:
                found.update({f"{name}#{tag}": wish for tag in tags})
        return found

    def told(self, available: Mapping[str, Any]) -> dict[str, Any]:
        """Return the claims to return, of those that there are.

        A claim that does not match the request is left out, as is one that is not there, an essential one too (OIDCC-5.5.1). Without a
        tag a claim is in the first of the locales that exists, else as it is; of several locales each is returned with its tag, too
        (OIDCC-5.2).
        """
        there = {name: value for name, value in available.items() if value is not None and value != ""}  # OIDCC-5.3.2
        if self.locales or any("#" in name for name in self.wishes):
            return self._told_in_languages(there)
        return {name: there[name] for name, wish in self.wishes.items() if name in there and matches_request(there[name], wish)}

    def _told_in_languages(self, there: Mapping[str, Any]) -> dict[str, Any]:
        by_name = {_comparable(name): value for name, value in there.items()}
        in_languages = {name.partition("#")[0] for name in there if "#" in name}
        told: dict[str, Any] = {}
        for name, wish in self.wishes.items():
            is_plain = "#" in name or name not in in_languages
            forms = {name: by_name.get(_comparable(name))} if is_plain else self._forms(name, by_name)
            told.update({form: value for form, value in forms.items() if value is not None and matches_request(value, wish)})
        return told

    def _forms(self, name: str, by_name: Mapping[str, Any]) -> dict[str, Any]:
        """Return a claim in the locales: without a tag in the best of them, and where several were asked for with each one's tag."""
        tagged = {}
        for locale in self.locales:
            found = next((form for form in (f"{name}#{tag}" for tag in fallbacks(locale)) if _comparable(form) in by_name), None)
            if found is not None:
                tagged[found] = by_name[_comparable(found)]
        plain = next(iter(tagged.values()), by_name.get(name))
        return {name: plain, **(tagged if len(self.locales) > 1 else {})}


def claims_of_scopes(scopes: Iterable[str], of_scope: Mapping[str, Collection[str]]) -> dict[str, Mapping[str, Any] | None]:
    """Return the wishes of scopes (OIDCC-5.4); a scope that is not in `of_scope` wishes for nothing."""
    return {name: None for scope in scopes for name in of_scope.get(scope, ())}


def requested_claims(request: Mapping[str, Any], part: Part) -> dict[str, Mapping[str, Any] | None]:
    """Return what the `claims` parameter of a checked request asks for in one place; the parameter is JSON, parsed or not (OIDCC-5.5)."""
    claims = request.get("claims")
    if isinstance(claims, str):
        claims = json.loads(claims)
    return dict((claims or {}).get(part) or {})


def requested_locales(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the language tags of `claims_locales`, the most preferred of them: each is looked for under every claim (OIDCC-5.2)."""
    tags = [tag for tag in request.get("claims_locales", "").split() if len(tag) <= MAX_TAG_LENGTH]
    return tuple(tags[:_MOST_LOCALES])


def consent_for_claims(request: Mapping[str, Any], of_scope: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return what a user must allow so that the claims that a request asks for by name may be returned.

    A claim that a scope stands for needs what the scope needs; another one is `claim NAME`, which no scope can be called.
    """
    names = {name.partition("#")[0] for name in requested_claims(request, "userinfo") | requested_claims(request, "id_token")}
    scope_of = {name: scope for scope, members in of_scope.items() for name in members}
    return frozenset(scope_of.get(name, f"claim {name}") for name in names - PROTOCOL_CLAIMS)


def matches_request(value: Any, wish: Mapping[str, Any] | None) -> bool:
    """Return whether a claim has the value, or one of the values, that a request asks for; True if it asks for no value.

    Values are compared as JSON has them, where `true` is not 1.
    """
    if not wish or ("value" not in wish and "values" not in wish):
        return True
    wished = [wish["value"]] if "value" in wish else []
    return _as_json(value) in {_as_json(one) for one in (*wished, *wish.get("values", ()))}


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _comparable(name: str) -> str:
    """Return a claim's name with its language tag in lower case: tags are compared without regard to it (OIDCC-5.2)."""
    base, separator, tag = name.partition("#")
    return base + separator + tag.lower()
