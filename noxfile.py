"""The checks on every installed Python: `nox`, `nox -s check-3.13` for one version, `nox -s fast-3.13` for its fast tests.

Each session runs a target of the Makefile in an environment of its own. Text after `--` is passed to make, for example
`nox -s fast -- PYTEST_ARGS="-k end_session"`. A missing interpreter is skipped, but is an error in CI.
"""

from __future__ import annotations

import nox

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]

nox.options.sessions = ["check"]
nox.options.default_venv_backend = "virtualenv"


@nox.session(python=VERSIONS)
def check(session: nox.Session) -> None:
    """Run lint, types, audit and all tests."""
    make(session, "check")


@nox.session(python=VERSIONS)
def fast(session: nox.Session) -> None:
    """Run the tests that need only Python."""
    make(session, "fast")


def make(session: nox.Session, target: str) -> None:
    """Run a target of the Makefile with the environment of the session."""
    session.run("make", target, f"VENV={session.virtualenv.location}", *session.posargs, external=True)
