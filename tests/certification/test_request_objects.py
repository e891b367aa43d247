"""The modules of request objects, by value and by reference, of the plans basic, implicit, hybrid and dynamic."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.certification.op_process import OpProcess
from tests.certification.relying_party import RelyingParty
from tests.certification.suite import Suite
from tests.certification.user_agent import UserAgent
from tests.wsgi_browser import Answer

RESPONSE_TYPES = ("code", "id_token token", "code id_token")
ALSO_OUTSIDE = ("client_id", "response_type", "scope", "redirect_uri")
"""What an OAuth 2.0 request needs stands outside of the object too (OIDCC-6.1)."""


class Requesting:
    """A client that puts its requests into objects."""

    def __init__(self, op: OpProcess, suite: Suite, response_type: str, *, by_reference: bool = False, **metadata: Any) -> None:
        self._suite = suite
        self._path = f"request_{secrets.token_hex(8)}.jwt"
        # the suite's own way: what is behind the URI is told by its hash in the fragment (OIDCC-6.2)
        self._uri = f"{suite.url(self._path)}#{secrets.token_urlsafe(32)}" if by_reference else None
        uris: dict[str, Any] = {"request_uris": [self._uri]} if by_reference else {}
        self.rp = RelyingParty.register(op, suite, response_type, **uris, **metadata)

    def send(self, agent: UserAgent, *, is_signed: bool = False, **outside: str) -> Answer:
        """Send a request in an object; `outside` stands in its place outside."""
        self.rp.requested = self.rp.request()
        of_a_jwt = {"iss": self.rp.client_id, "aud": self.rp.discovery["issuer"]}  # the suite's unsigned ones have neither
        request_object = self.rp.sign({**self.rp.requested, **of_a_jwt}) if is_signed else unsigned(self.rp.requested)
        if self._uri is not None:
            self._suite.serve(self._path, request_object, "application/jose")
        query = {name: self.rp.requested[name] for name in ALSO_OUTSIDE} | outside
        query |= {"request": request_object} if self._uri is None else {"request_uri": self._uri}
        return agent.authorize(f"{self.rp.discovery['authorization_endpoint']}?{urlencode(query)}")


def unsigned(claims: Mapping[str, Any]) -> str:
    """A JWT with `alg: none`."""
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


@pytest.mark.module("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")
@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
def test_a_request_in_an_unsigned_object_is_carried_out(op: OpProcess, suite: Suite, agent: UserAgent, response_type: str) -> None:
    requesting = Requesting(op, suite, response_type)

    assert requesting.rp.discovery["request_parameter_supported"] is True
    assert "none" in requesting.rp.discovery["request_object_signing_alg_values_supported"]
    requesting.rp.receive(requesting.send(agent))


@pytest.mark.module("oidcc-ensure-request-object-with-redirect-uri")
@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
def test_the_redirect_uri_in_the_object_goes_before_the_one_outside(
    op: OpProcess, suite: Suite, agent: UserAgent, response_type: str
) -> None:
    requesting = Requesting(op, suite, response_type)

    requesting.rp.receive(requesting.send(agent, redirect_uri=suite.url(f"callback/{secrets.token_hex(8)}")))


@pytest.mark.module("oidcc-request-uri-unsigned")
@pytest.mark.module("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported")
@pytest.mark.parametrize("response_type", RESPONSE_TYPES)
def test_a_request_in_an_unsigned_object_elsewhere_is_fetched_and_carried_out(
    op: OpProcess, suite: Suite, agent: UserAgent, response_type: str
) -> None:
    requesting = Requesting(op, suite, response_type, by_reference=True)

    assert requesting.rp.discovery["request_uri_parameter_supported"] is True
    requesting.rp.receive(requesting.send(agent))


@pytest.mark.module("oidcc-request-uri-signed-rs256")
def test_a_request_in_a_signed_object_elsewhere_is_fetched_and_carried_out(op: OpProcess, suite: Suite, agent: UserAgent) -> None:
    requesting = Requesting(op, suite, "code", by_reference=True, auth_method="private_key_jwt", request_object_signing_alg="RS256")

    assert "RS256" in requesting.rp.discovery["request_object_signing_alg_values_supported"]
    requesting.rp.receive(requesting.send(agent, is_signed=True))


@pytest.mark.module("oidcc-request-uri-signed-rs256")
def test_an_unsigned_object_is_refused_where_the_client_has_said_that_it_signs(op: OpProcess, suite: Suite, agent: UserAgent) -> None:
    requesting = Requesting(op, suite, "code", by_reference=True, auth_method="private_key_jwt", request_object_signing_alg="RS256")
    answer = requesting.send(agent)

    assert "code" not in answer.query
    assert answer.error == "invalid_request_object"
