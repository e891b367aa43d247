"""Every error that this package raises, in one family.

An error has two audiences: `error` and `description` may be shown to the peer (a browser, an RP),
`detail` and the cause are for the operator's log alone.
"""

from __future__ import annotations


class SessionExtError(Exception):
    """The root of all errors raised by this package."""


class ConfigError(SessionExtError):
    """A setting is missing or wrong, so start-up stops.

    `path` names the key (`session.idle_timeout`), `problem` is what is wrong and what is allowed;
    `line` is the line in the file it came from, None when it came from no file.
    """

    def __init__(self, path: str, problem: str, line: int | None = None) -> None:
        super().__init__(f"{path}: {problem}" if line is None else f"{path} (line {line}): {problem}")
        self.path = path
        self.problem = problem
        self.line = line


class StoreError(SessionExtError):
    """The root of what a store raises."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or cannot write now; of the unit of work nothing was kept.

    Over a network there is one exception: when the connection breaks while the answer to a commit is on its way, all of it may
    have been kept, never a part. Answered with a 503; the same request may succeed later.
    """


class Conflict(StoreError):
    """A condition of a commit did not hold, so nothing of it was kept.

    `change` is the change whose condition failed: another request was first.
    """

    def __init__(self, change: object) -> None:
        super().__init__(f"the condition of {type(change).__name__} did not hold")
        self.change = change


class ProtocolError(SessionExtError):
    """A request that is answered with a 4xx page or JSON, never with a redirect to an unchecked URI.

    `error` is the code of the specification (`invalid_request`), `description` one sentence that may be
    shown to the peer; `detail` is for the operator's log. `status` is the HTTP status code.
    """

    error = "invalid_request"
    status = 400

    def __init__(self, description: str, *, detail: str = "", error: str | None = None, status: int | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.detail = detail
        if error is not None:
            self.error = error
        if status is not None:
            self.status = status


class InvalidRequest(ProtocolError):
    """A parameter is missing, repeated, over-long or malformed."""


class UnknownClient(ProtocolError):
    """The request names a client that is not registered here."""

    error = "unauthorized_client"


class InvalidConfirmation(ProtocolError):
    """A logout confirmation is spent, expired, or belongs to another browser."""

    error = "invalid_confirmation"


class InvalidClient(ProtocolError):
    """The client could not be authenticated (RFC 6749, 5.2)."""

    error = "invalid_client"
    status = 401


class InvalidGrant(ProtocolError):
    """A code or refresh token is unknown, spent, expired or another client's (RFC 6749, 5.2)."""

    error = "invalid_grant"


class InvalidToken(ProtocolError):
    """An access token is unknown, expired, or its session has ended (RFC 6750, 3.1)."""

    error = "invalid_token"
    status = 401


class TemporarilyUnavailable(ProtocolError):
    """The store cannot answer now; the same request may succeed later, in `retry_after_s` seconds if all goes well."""

    error = "temporarily_unavailable"
    status = 503
    retry_after_s = 5


class ServerFault(ProtocolError):
    """A fault of ours; what it was is in the log alone."""

    error = "server_error"
    status = 500
