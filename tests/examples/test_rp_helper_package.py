"""The RP helper as a package: it is found by its name, and its types let an RP write what works and nothing that cannot."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.npm_packages import npm_package

RP_HELPER = Path(__file__).resolve().parents[2] / "examples" / "rp-helper"
CONSUMER = Path(__file__).with_name("rp_helper_consumer.ts")
STRICT = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "noEmit": True,
    "skipLibCheck": False,
    "target": "es2022",
    "module": "nodenext",
    "lib": ["es2022", "dom"],
    "types": [],
}


def compile_project(folder: Path, options: dict[str, object], files: list[str]) -> str:
    """Return what TypeScript finds wrong with these files, nothing when all is well."""
    tsc = npm_package("typescript") / "bin" / "tsc"
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": files}))
    done = subprocess.run([str(tsc), "--project", str(folder)], capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


def install(folder: Path) -> Path:
    """Put the package where an RP would have it, and the consumer beside; return the consumer."""
    modules = folder / "node_modules"
    modules.mkdir()
    (modules / "oidc-session-monitor").symlink_to(RP_HELPER, target_is_directory=True)
    consumer = folder / "consumer.ts"
    consumer.write_text(CONSUMER.read_text())
    (folder / "package.json").write_text('{"type": "module"}')
    return consumer


def test_typescript_takes_what_works_and_refuses_what_cannot(tmp_path: Path) -> None:
    consumer = install(tmp_path)

    assert compile_project(tmp_path, STRICT, [str(consumer)]) == ""


def test_the_consumer_would_notice_types_that_say_less(tmp_path: Path) -> None:
    consumer = install(tmp_path)
    consumer.write_text(consumer.read_text().replace("@ts-expect-error", "@nobody-expects"))

    assert compile_project(tmp_path, STRICT, [str(consumer)]).count("error TS") == 6


def test_the_code_itself_is_consistent(tmp_path: Path) -> None:
    """Without strict null checks: the code says no types of its own."""
    loose = {**STRICT, "strict": False, "exactOptionalPropertyTypes": False, "allowJs": True, "checkJs": True}
    files = [str(file) for file in sorted(RP_HELPER.glob("*.js"))]

    assert compile_project(tmp_path, loose, files) == ""


def test_it_is_found_by_its_name_and_loads_where_there_is_no_page(tmp_path: Path) -> None:
    """A server that renders pages may import it too."""
    npm_package("typescript")  # so there is Node.js
    install(tmp_path)
    (tmp_path / "main.js").write_text('import { SessionMonitor } from "oidc-session-monitor"; console.log(typeof SessionMonitor);')

    done = subprocess.run([str(shutil.which("node")), "main.js"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("function\n", "")


@pytest.mark.parametrize("type_name", ["State", "Channel"])
def test_each_word_of_the_types_is_one_that_the_code_tells(type_name: str) -> None:
    code = "".join(file.read_text() for file in RP_HELPER.glob("*.js"))

    assert {word for word in words_of(type_name) if f'"{word}"' not in code} == set()


def test_each_reason_that_the_code_tells_is_in_the_types() -> None:
    code = "".join(file.read_text() for file in RP_HELPER.glob("*.js"))
    calls = re.findall(r"(?:#tell|#signOut|#giveUp|#adopt|#report)\(([^;]*?)\);", code)
    told = {word for call in calls for word in re.findall(r'"([a-z-]+)"', call)}

    assert told - words_of("Reason") - words_of("State") - {"live", "changed", "failed"} == set()
    assert {word for word in words_of("Reason") if f'"{word}"' not in code} == set()


def words_of(type_name: str) -> set[str]:
    """The words of a union of strings."""
    types = re.sub(r"//.*", "", (RP_HELPER / "session-monitor.d.ts").read_text())
    union = types.partition(f"export type {type_name} =")[2].partition(";")[0]
    return set(re.findall(r'"([a-z-]+)"', union))
