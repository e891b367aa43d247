"""The user's browser where no real one is needed: HTTPS with its certificate checked, cookies, and a person who fills forms in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.certification.op_process import PASSWORD, OpProcess
from tests.wsgi_browser import Answer, Browser


class UserAgent(Browser):
    """A browser that has never been at the OP; `pages` holds what the user was asked by the latest request."""

    def __init__(self, op: OpProcess) -> None:
        super().__init__(_no_application, op.issuer)
        self._op = op
        self.pages: list[Answer] = []

    def open(self, url: str) -> Answer:
        """Go to an address at the OP, wherever it redirects to there."""
        assert url.startswith(f"{self.origin}/"), url
        return self.follow(self.get(url.removeprefix(self.origin)))

    def authorize(self, url: str, user: str = "alice") -> Answer:
        """Open an authorization request; sign in and allow whatever is asked; return what leads back to the RP, or an error page."""
        return self.answer_questions(self.open(url), user)

    def answer_questions(self, answer: Answer, user: str = "alice") -> Answer:
        """Sign in and allow, where a page asks for it."""
        self.pages.clear()
        while answer.is_page() and "<form" in answer.text and not answer.form.action.startswith("https:"):  # such a form goes to the RP
            self.pages.append(answer)
            assert len(self.pages) < 5, f"no end of questions: {answer.text}"
            answer = self.follow(self._reply(answer, user))
        return answer

    def _reply(self, page: Answer, user: str) -> Answer:
        if "password" in page.form.fields:
            return self.submit(page, username=user, password=PASSWORD)
        return self.submit(page, "allow")

    @property
    def has_been_asked_to_sign_in(self) -> bool:
        """Whether the latest request showed the login page."""
        return any("password" in page.form.fields for page in self.pages)

    def send(self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None, **_: Any) -> Answer:
        sent = dict(headers or {})
        if self.jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        return self._keep(self._op.ask(method, target, body, sent))


def _no_application(*_: Any) -> list[bytes]:
    raise AssertionError("this browser speaks HTTPS")
