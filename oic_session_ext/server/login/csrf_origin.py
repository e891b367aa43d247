"""Did our own page send this form? Asked of the browser, beside the form's token.

The token stops a forger who cannot write cookies here; this stops one who can (a sibling host), as long as the browser tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidRequest


def check_form_origin(headers: Mapping[str, str], origin: str) -> None:
    """Let a form pass that the browser says is from `origin`, our own, or of which it says nothing.

    Raises: InvalidRequest: it is from another origin (403), so somebody may be signed in as somebody else unawares (OIDCC-3.1.2.3).
    """
    is_foreign = headers.get("origin", origin) != origin
    if is_foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise InvalidRequest("this form was sent from another site; go back to the application and try again", status=403)
