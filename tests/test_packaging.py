"""What is installed is what is here: the wheel and the source archive, built without a network from a copy of the tree."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "oic_session_ext"
COPIED = (".github", "bench", "conf", "docs", "examples", "oic_session_ext", "tests", "tools")
NOT_SHIPPED = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both archives; a copy is built, since building leaves traces."""
    tree, dist = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, tree / folder, ignore=NOT_SHIPPED)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith(".coverage"):
            shutil.copy(file, tree)
    build = f"from setuptools import build_meta as b; b.build_sdist({str(dist)!r}); b.build_wheel({str(dist)!r})"
    done = subprocess.run([sys.executable, "-c", build], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dist


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


def files_of_the_package() -> set[str]:
    return {file.relative_to(ROOT).as_posix() for file in PACKAGE.rglob("*") if file.is_file() and file.parent.name != "__pycache__"}


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    assert not files_of_the_package() - names


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert not names - files_of_the_package()


def test_the_wheel_has_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (entry_points,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert "oic-session-ext = oic_session_ext.cli:main" in archive.read(entry_points).decode()


def test_the_wheel_works_away_from_the_tree(wheel: Path, tmp_path: Path) -> None:
    """Its pages need templates, texts and assets, so rendering one shows that they are found where it is installed."""
    shutil.unpack_archive(wheel, tmp_path, "zip")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import oic_session_ext.cli, oic_session_ext.provider\n"
        "from oic_session_ext.pages import Pages\n"
        "print(oic_session_ext.__file__)\n"
        "assert b'<html' in Pages().render('still_signed_in').body\n"
    )

    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}  # it is not the tree's code
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=unmeasured, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "oic_session_ext" / "__init__.py")


@pytest.mark.parametrize(
    "file",
    ["LICENSE", "CHANGELOG.md", "conf/demo.yaml", "examples/demo.py", "tests/conftest.py", "Makefile", ".github/workflows/checks.yml"],
)
def test_the_source_archive_holds_what_is_needed_to_work_on_it(dist: Path, file: str) -> None:
    (found,) = dist.glob("*.tar.gz")
    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert file in names


def third_party_imports(folder: Path) -> set[str]:
    """The packages that the code of a folder imports, without Python's own and this project's."""
    files = list(folder.rglob("*.py"))
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    local = [*files, *(ROOT / "examples").rglob("*.py")]
    beside = {file.stem for file in local} | {file.parent.name for file in local} | {"tests", PACKAGE.name}
    return {name.partition(".")[0] for name in names} - beside - set(sys.stdlib_module_names)


def declared(*lists: str) -> set[str]:
    """The distributions that setup.py names in these lists, in lower case."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    values = {
        node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    lines = [item.value for name in lists for item in ast.walk(values[name]) if isinstance(item, ast.Constant)]
    return {re.split(r"[<>=!~\[]", str(line))[0].lower() for line in lines}


@pytest.mark.parametrize(
    ("folder", "lists"),
    [
        ("oic_session_ext", ("INSTALL_REQUIRES", "POSTGRESQL", "REDIS")),
        ("examples", ("INSTALL_REQUIRES", "EXAMPLES", "POSTGRESQL", "REDIS")),
        ("bench", ()),
        ("tests", ("INSTALL_REQUIRES", "POSTGRESQL", "REDIS", "EXAMPLES", "TEST")),
    ],
)
def test_whatever_is_imported_is_declared(folder: str, lists: tuple[str, ...]) -> None:
    comes_with = {"cheroot": "cherrypy", "markupsafe": "jinja2", "pydantic_core": "pydantic", "werkzeug": "flask"}
    distributions = packages_distributions()
    known = declared(*lists) | ({"pytest"} if folder == "oic_session_ext" else set())  # oic_session_ext.testing is for tests

    undeclared = {
        name
        for name in third_party_imports(ROOT / folder)
        if comes_with.get(name) not in known and not {one.lower() for one in distributions.get(name, [name])} & known
    }

    assert not undeclared


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("oic_session_ext", ("oic", "sqlalchemy", "cherrypy", "beaker", "ruamel", "jinja2", "aiohttp", "requests")),
        (
            "oic_session_ext.logout.end_session",
            ("oic", "jwkest", "sqlalchemy", "cherrypy", "beaker", "ruamel", "jinja2", "aiohttp", "requests"),
        ),
        ("oic_session_ext.provider", ("cherrypy", "beaker", "ruamel", "argon2", "click", "aiohttp", "publicsuffixlist")),
    ],
)
def test_importing_a_part_loads_nothing_that_it_does_not_need(module: str, unwanted: tuple[str, ...]) -> None:
    """Somebody with an OP of their own runs without the bundled server's libraries."""
    program = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
