"""Did our own page send this form? Asked of the browser, beside the form's token.

The token stops a forger who cannot write cookies here; this stops one who can (a sibling host), if the browser reports the origin.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...errors import InvalidRequest


def check_form_origin(headers: Mapping[str, str], origin: str) -> None:
    """Accept a form that came from `origin`, this OP's own, or of which the browser reports no origin.

    A page that a proxy gave `Referrer-Policy: no-referrer` sends `Origin: null`; then `Sec-Fetch-Site` decides, which no page can forge.

    Raises: InvalidRequest: it is from another origin (403): it could sign the user in as another user (OIDCC-3.1.2.3).
    """
    site, sender = headers.get("sec-fetch-site"), headers.get("origin", origin)
    is_ours = sender == origin or (sender == "null" and site == "same-origin")
    if not is_ours or site not in (None, "same-origin", "none"):
        raise InvalidRequest("this form was sent from another site; go back to the application and try again", status=403)
