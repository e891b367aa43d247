"""The checks on every Python that is installed here: `nox`, `nox -s check-3.13` for one, `nox -s fast-3.13` for its quick tests."""

from __future__ import annotations

import nox

VERSIONS = ["3.11", "3.12", "3.13", "3.14"]
SLOW = ["browser", "certification", "flows", "store", "examples"]
"""Folders of tests that start servers, databases or browsers."""

nox.options.sessions = ["check"]
nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=VERSIONS)
def check(session: nox.Session) -> None:
    """Run the Makefile's own commands in this session's environment, so that they are written down once."""
    session.run("make", "check", f"VENV={session.virtualenv.location}", *session.posargs, external=True)


@nox.session(python=VERSIONS)
def fast(session: nox.Session) -> None:
    """Run the tests that need nothing but Python; what is said behind `--` goes to pytest."""
    session.install("--editable", ".[test]")
    session.run("pytest", *(f"--ignore=tests/{folder}" for folder in SLOW), *session.posargs)
