"""A statically registered client, with the same checks at start as in dynamic registration.

The keys of client metadata have the names of the registration specifications.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, StrictInt

from ...clients.logout_metadata import logout_metadata_problems
from ...clients.registry import RESPONSE_TYPES
from ...clients.uris import UriRules
from ...crypto.jose import MAC_ALGS, BadKey, import_key
from ...validation import Problem
from ...web.uri import fetched_problem, scheme_host_port, split_absolute_uri
from .client_description import ClientDescription, Uri
from .client_encryption import ClientEncryption
from .client_request_objects import ClientRequestObjects
from .types import Flag, SecretSource, Text

UriList = Annotated[tuple[Uri, ...], Field(max_length=100)]


def _in_our_order(response_type: object) -> object:
    """Return a response type with its values in this OP's order; the order has no meaning (OAuth 2.0 Multiple Response Types, 3)."""
    if not isinstance(response_type, str):
        return response_type
    return next((one for one in RESPONSE_TYPES if sorted(one.split()) == sorted(response_type.split())), response_type)


ResponseType = Annotated[
    Literal["code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"], BeforeValidator(_in_our_order)
]


class ClientSettings(ClientDescription, ClientEncryption, ClientRequestObjects):
    """A client (RP) that is registered in the settings file."""

    client_id: Annotated[str, Field(pattern=r"^[!-~]{1,255}$")]
    """The client's identifier: visible ASCII without spaces."""

    client_name: Text | None = None
    """The client's name on the consent and logout pages; without it they show `client_id`."""

    client_secret: Annotated[SecretStr, Field(min_length=1, max_length=1000)] | None = None
    """The client's secret, in this file."""

    client_secret_from: SecretSource | None = None
    """A file or environment variable with the client's secret, instead of `client_secret`."""

    application_type: Literal["web", "native"] = "web"
    """`native` (an app on the user's device) may use its own scheme, such as `com.example.app:/callback`."""

    token_endpoint_auth_method: Literal["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"] = (
        "client_secret_basic"
    )
    """How the client authenticates at the token endpoint. `none` makes it a public client (a single-page application, an app),
    which has no secret and must use PKCE."""

    token_endpoint_auth_signing_alg: Literal["RS256", "PS256", "ES256", "HS256", "HS384", "HS512"] | None = None
    """The only algorithm with which the client may sign its assertions; without it, any algorithm that is suitable for
    `client_secret_jwt` or `private_key_jwt`."""

    jwks: dict[str, Any] | None = None
    """The client's public keys, a JSON Web Key Set, for `private_key_jwt` and for encryption to the client."""

    jwks_uri: Uri | None = None
    """The https URI at which the client publishes its public keys, instead of `jwks`."""

    redirect_uris: Annotated[UriList, Field(min_length=1)]
    """URIs to which the user may be redirected after sign-in; compared character by character."""

    post_logout_redirect_uris: UriList = ()
    """URIs to which the user may be redirected after logout; compared character by character (OIDCRIL-3)."""

    allow_http: Flag = False
    """Whether this client's URIs may be `http` on other hosts than this machine; never for a public client."""

    response_types: Annotated[tuple[ResponseType, ...], Field(min_length=1)] = ("code",)
    """The flows that the client may request. A public client may have `code` only."""

    grant_types: Annotated[tuple[Literal["authorization_code", "implicit", "refresh_token"], ...], Field(min_length=1)] = (
        "authorization_code",
    )
    """The grant types that the client may use. Every response type with `code` needs `authorization_code`, every one with `id_token`
    or `token` needs `implicit` (OIDCREG-2)."""

    id_token_signed_response_alg: Literal["RS256", "ES256"] = "RS256"
    """The algorithm with which this client's ID Tokens are signed."""

    userinfo_signed_response_alg: Literal["RS256", "ES256"] | None = None
    """The algorithm with which UserInfo responses to this client are signed; without it they are plain JSON (OIDCC-5.3.2)."""

    default_max_age: Annotated[StrictInt, Field(ge=0, le=10**9)] | None = None
    """The maximum age of the user's sign-in in seconds, if the client's request has no `max_age`."""

    require_auth_time: Flag | None = None
    """Whether the client needs `auth_time` in its ID Tokens. The OP always includes it."""

    default_acr_values: Annotated[tuple[Text, ...], Field(min_length=1, max_length=20)] | None = None
    """The `acr` values that the client prefers, if its request has no `acr_values`."""

    subject_type: Literal["public", "pairwise"] = "public"
    """`pairwise`: the client gets a `sub` for each user that clients on other hosts do not get. All its `redirect_uris` must be on one
    host, or it must have a `sector_identifier_uri`."""

    sector_identifier_uri: Uri | None = None
    """An https URI of the organisation to which several pairwise clients belong; they get the same `sub` for a user (OIDCREG-5). If a
    client registers itself, the OP fetches the URI, which must list the client's `redirect_uris`; for a client in this file it does not."""

    frontchannel_logout_uri: Uri | None = None
    """The client's front-channel logout page; its scheme, host and port must be those of one of its `redirect_uris` (OIDCFCL-2)."""

    frontchannel_logout_session_required: Flag = False
    """Whether the front-channel logout page needs `iss` and `sid`."""

    frontchannel_logout_add_session: Flag = True
    """Whether the front-channel logout page gets `iss` and `sid` even if it does not require them; a key of this project only."""

    backchannel_logout_uri: Uri | None = None
    """The URI to which Logout Tokens for the client are sent (OIDCBCL-2.2)."""

    backchannel_logout_session_required: Flag = False
    """Whether the Logout Token must have the `sid` of the RP session."""

    backchannel_logout_token_typ: Flag = True
    """Whether the Logout Token's header has `typ: logout+jwt`, which some libraries refuse; a key of this project only."""

    consent: Literal["ask", "skip"] = "ask"
    """`ask`: the user must consent, once for each set of scopes, before the client gets their data. `skip`: no question, for clients
    of your own organisation."""

    introspection: Literal["own", "any"] = "own"
    """The tokens that the client may introspect: its `own`, or, for a resource server, the access tokens of `any` client. A public
    client may not introspect tokens."""

    @property
    def is_public(self) -> bool:
        """Whether the client is public: it cannot keep a secret."""
        return self.token_endpoint_auth_method == "none"

    def read_secret(self) -> str | None:
        """Return the client's secret, or None if it has none.

        Raises: ValueError: the source in `client_secret_from` has no secret.
        """
        if self.client_secret_from is not None:
            return self.client_secret_from.read()
        return self.client_secret.get_secret_value() if self.client_secret is not None else None

    def metadata(self) -> dict[str, Any]:
        """Return the client metadata of the registration specifications (RFC 7591 names, JSON types), with the secret."""
        ours = {"client_secret", "client_secret_from", "allow_http", "consent", "introspection"}
        found = self.model_dump(mode="json", exclude=ours, exclude_none=True, by_alias=True)
        secret = self.read_secret()
        return found if secret is None else found | {"client_secret": secret}

    def problems(self) -> Iterator[Problem]:
        """Yield each violation of the registration specifications (REG-01 to REG-07, REG-13)."""
        yield from self._credential_problems()
        yield from self._flow_problems()
        yield from self.description_problems()
        yield from self.encryption_problems(has_keys=(self.jwks is None) != (self.jwks_uri is None))
        rules, hosts = UriRules.of(self._plain(), permits_http=self.allow_http), set()
        for index, uri in enumerate(self.redirect_uris):
            if problem := rules.redirect_problem(uri):
                yield ("redirect_uris", index), problem
            else:
                hosts.add(scheme_host_port(split_absolute_uri(uri))[1])
        if self.subject_type == "pairwise" and self.sector_identifier_uri is None and len(hosts) > 1:
            yield ("subject_type",), "pairwise needs all redirect_uris on one host, or a sector_identifier_uri"
        if self.sector_identifier_uri is not None and (problem := fetched_problem(self.sector_identifier_uri)):
            yield ("sector_identifier_uri",), problem
        yield from logout_metadata_problems(self._plain(), permits_http=self.allow_http)

    def _plain(self) -> dict[str, Any]:
        """Return the field values by name, unconverted."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def _credential_problems(self) -> Iterator[Problem]:
        method = self.token_endpoint_auth_method
        has_secret = self.client_secret is not None or self.client_secret_from is not None
        if self.client_secret is not None and self.client_secret_from is not None:
            yield ("client_secret_from",), "cannot be combined with client_secret; keep one of them"
        elif not has_secret and method.startswith("client_secret"):
            yield (
                ("client_secret",),
                f"is missing: {method} needs client_secret or client_secret_from; set none if it has no secret",
            )
        elif has_secret and self.is_public:
            yield ("token_endpoint_auth_method",), "none is for clients without a secret; remove the secret or choose another method"
        else:
            yield from self._secret_problems()
        if (alg := self.token_endpoint_auth_signing_alg) and method != ("client_secret_jwt" if alg in MAC_ALGS else "private_key_jwt"):
            yield ("token_endpoint_auth_signing_alg",), f"does not fit {method}"
        if self.is_public and self.introspection == "any":
            yield ("introspection",), "any requires client authentication; a public client has none"
        if method == "private_key_jwt" and (self.jwks is None) == (self.jwks_uri is None):
            yield ("token_endpoint_auth_method",), "private_key_jwt needs exactly one of jwks, jwks_uri"
        if self.jwks is not None and not _is_public_jwks(self.jwks):
            yield (
                ("jwks",),
                "must be a set of public keys: {keys: [{kty: ...}, ...]}, EC or RSA of 2048 bits and more, without private parts",
            )
        if self.jwks_uri is not None and (problem := fetched_problem(self.jwks_uri)):
            yield ("jwks_uri",), problem

    def _secret_problems(self) -> Iterator[Problem]:
        key = "client_secret" if self.client_secret_from is None else "client_secret_from"
        try:
            secret = self.read_secret() or ""
        except ValueError as err:
            yield (key,), str(err)
            return
        if not all(" " <= char <= "~" for char in secret):
            yield (key,), "must contain printable ASCII characters only (RFC 6749, A.2)"
        shortest = int((self.token_endpoint_auth_signing_alg or "HS256")[2:]) // 8  # RFC 7518, 3.2: at least as long as the hash
        if self.token_endpoint_auth_method == "client_secret_jwt" and len(secret) < shortest:
            yield (key,), f"must have at least {shortest} characters for client_secret_jwt (RFC 7518, 3.2)"
        yield from self.request_object_secret_problems(secret)

    def _flow_problems(self) -> Iterator[Problem]:
        parts = {part for response_type in self.response_types for part in response_type.split()}
        if self.is_public and parts != {"code"}:
            yield ("response_types",), "a public client may have code only"
        if "code" in parts and "authorization_code" not in self.grant_types:
            yield ("grant_types",), "must have authorization_code, as response_types has code"
        if parts & {"id_token", "token"} and "implicit" not in self.grant_types:
            yield ("grant_types",), "must have implicit, as response_types has id_token or token"


def _is_public_jwks(jwks: dict[str, Any]) -> bool:
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        return False
    return all(isinstance(key, dict) and not {"d", "k"} & key.keys() and _is_key(key) for key in keys)


def _is_key(jwk: dict[str, Any]) -> bool:
    if jwk.get("kty") == "OKP":  # for others; this OP verifies with RSA and EC keys
        return True
    try:
        import_key(jwk)
    except BadKey:
        return False
    return True
