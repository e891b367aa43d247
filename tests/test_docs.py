"""What the documents and the code point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
CODE = [*sorted((ROOT / "oic_session_ext").rglob("*.py")), *sorted((ROOT / "conf").glob("*.yaml")), ROOT / "setup.py"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_link_of_a_document_leads_somewhere(document: Path) -> None:
    targets = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8"))]

    assert not [target for target in targets if target and "://" not in target and not (document.parent / target).exists()]


def test_every_document_that_the_code_names_is_there() -> None:
    named = {name for file in CODE for name in re.findall(r"\bdocs/[\w/.-]+\.md", file.read_text(encoding="utf-8"))}

    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


@pytest.mark.spec("BC-41", "BC-42", "SM-30", "SEC-14")
@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            "backchannel-logout.md",
            r"must be reachable from the OP: a web application with a server, or the back end of a single-page or\s+native",
        ),
        ("backchannel-logout.md", r"behind a NAT that the OP cannot enter, should not register one"),
        ("backchannel-logout.md", r"works when the browser is closed, blocks cookies"),
        ("browsers.md", r"another site, cookies blocked or partitioned .*\| `error` \| `login_required` \|"),
        ("browsers.md", r"Do not rely on the front channel either: the RP's cookies are as hidden in the OP's page"),
    ],
)
def test_what_a_deployer_must_know_of_channels_and_browsers_is_said(document: str, says: str) -> None:
    assert re.search(says, (ROOT / "docs" / document).read_text(encoding="utf-8"))
