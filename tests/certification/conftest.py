"""The stage of the plans: one OP for all modules, the suite's server, clients that modules share, a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.conftest import module_chromium_context
from tests.certification.op_process import OP_HOST, RP_HOST, OpProcess
from tests.certification.relying_party import RelyingParty
from tests.certification.suite import Suite
from tests.certification.throwaway_ca import ThrowawayCa
from tests.certification.user_agent import UserAgent

__all__ = ["module_chromium_context"]


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayCa:
    return ThrowawayCa.write(tmp_path_factory.mktemp("certification_ca"), (OP_HOST, RP_HOST))


@pytest.fixture(scope="session")
def op(tmp_path_factory: pytest.TempPathFactory, ca: ThrowawayCa) -> Iterator[OpProcess]:
    """The OP; at the end it stops when it is asked to, and has written no traceback."""
    op = OpProcess(tmp_path_factory.mktemp("certification_op"), ca)
    try:
        op.start()
        yield op
        op.hang_up()
        assert op.stop() == 0, op.log
        assert "Traceback" not in op.log, op.log
    finally:
        op.close()


@pytest.fixture(scope="session")
def suite(ca: ThrowawayCa) -> Iterator[Suite]:
    suite = Suite.start(ca)
    yield suite
    suite.close()


@pytest.fixture(scope="session")
def shared_rp(op: OpProcess, suite: Suite) -> Callable[..., RelyingParty]:
    """Clients that several modules go by, one for each way of registering it."""
    registered: dict[tuple[Any, ...], RelyingParty] = {}

    def get(*args: str, **kwargs: Any) -> RelyingParty:
        key = (*args, *kwargs.items())
        if key not in registered:
            registered[key] = RelyingParty.register(op, suite, *args, **kwargs)
        return registered[key]

    return get


@pytest.fixture
def agent(op: OpProcess) -> UserAgent:
    """A browser that has never been at the OP."""
    return UserAgent(op)


@pytest.fixture
def discovery(agent: UserAgent) -> dict[str, Any]:
    """The OP's metadata."""
    return agent.get("/.well-known/openid-configuration").json
