"""A browser without scripts, as far as the example RP needs one."""

from __future__ import annotations

import re

import requests


class Browser(requests.Session):
    """Follows no redirect by itself and keeps cookies."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url = base_url

    def visit(self, path: str, **options: object) -> requests.Response:
        """GET a page of the RP."""
        return self.get(self.base_url + path, allow_redirects=False, timeout=5, **options)  # type: ignore[arg-type]

    def submit(self, path: str, **form: str) -> requests.Response:
        """POST a form to the RP."""
        return self.post(self.base_url + path, form, allow_redirects=False, timeout=5)

    def answer_of_op(self, location: str) -> str:
        """Let the OP answer an authentication request; the URL it sends the browser to."""
        return str(self.get(location, allow_redirects=False, timeout=5).headers["Location"])

    def sign_in(self) -> requests.Response:
        """Click through a sign-in; what `/callback` answers."""
        back = self.answer_of_op(self.visit("/login").headers["Location"])
        return self.get(back, allow_redirects=False, timeout=5)

    def renew(self) -> str:
        """What the hidden iframe does; the outcome that its page reports."""
        renew_url = found(r'data-renew-url="([^"]+)"', self.visit("/").text)
        response = self.visit(renew_url)
        if response.status_code == 303:
            response = self.get(self.answer_of_op(response.headers["Location"]), timeout=5)
        return found(r'data-renewal="([\w-]+)"', response.text)

    def csrf_token(self) -> str:
        """The one of the present page."""
        return found(r'name="csrf_token" value="([^"]+)"', self.visit("/").text)

    def is_signed_in(self) -> bool:
        """Whether the RP says so."""
        return "Hello," in self.visit("/").text


def found(pattern: str, text: str) -> str:
    """The one group of `pattern` in `text`."""
    match = re.search(pattern, text)
    assert match is not None, f"{pattern} is not in {text}"
    return match[1]
