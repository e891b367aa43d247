"""The checks of `make check` on every Python version that is installed here: `nox`, or `nox -s check-3.13` for one."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.error_on_missing_interpreters = False


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def check(session: nox.Session) -> None:
    """Run the Makefile's own commands in this session's environment, so that they are written down once."""
    session.run("make", "check", f"VENV={session.virtualenv.location}", *session.posargs, external=True)
