"""Several processes on one address answer Prometheus with what all of them have counted."""

from __future__ import annotations

from pathlib import Path

from tests.flows.machines.running_op import RunningOp

TOKEN = "a-token-that-prometheus-shows-1234"


def test_whichever_process_is_asked_the_logins_of_all_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "metrics-token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    op = RunningOp(tmp_path, metrics={"access_token": {"file": str(file)}})
    op.configure(listen={**op.settings["listen"], "processes": 2})
    op.start()
    try:
        for _ in range(6):
            op.browser().sign_in()
        answers = [op.browser().get("/metrics", {"Authorization": f"Bearer {TOKEN}"}) for _ in range(4)]
        stopped = op.stop()
    finally:
        op.close()

    assert stopped == 0
    assert [answer.text.count("oic_sessions_began_total 6.0") for answer in answers] == [1, 1, 1, 1]
