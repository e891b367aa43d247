"""Files that hold secrets: made whole or not at all, by one of many, for their owner alone."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from oic_session_ext.crypto.private_file import load_or_create_private, replace_private
from oic_session_ext.errors import ConfigError


def names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def never() -> str:
    raise AssertionError("a file that is there is not made")


def test_a_file_that_is_not_there_is_made_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "var" / "op" / "secrets"

    assert load_or_create_private(path, lambda: "secret") == "secret"
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_wide_umask_does_not_widen_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_or_create_private(tmp_path / "secrets", lambda: "secret")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_read(tmp_path: Path) -> None:
    load_or_create_private(tmp_path / "secrets", lambda: "secret")

    assert load_or_create_private(tmp_path / "secrets", never) == "secret"


def test_nothing_but_the_file_is_left_behind(tmp_path: Path) -> None:
    load_or_create_private(tmp_path / "secrets", lambda: "secret")

    assert names(tmp_path) == ["secrets"]


def test_a_text_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        load_or_create_private(tmp_path / "secrets", lambda: "ü")

    assert names(tmp_path) == []


def test_of_many_that_start_at_once_one_makes_it_and_all_have_the_same(tmp_path: Path) -> None:
    barrier, results = threading.Barrier(8), []

    def start(number: int) -> None:
        barrier.wait()
        results.append(load_or_create_private(tmp_path / "secrets", lambda: f"secret {number}" * 1000))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 8
    assert set(results) == {(tmp_path / "secrets").read_text()}
    assert names(tmp_path) == ["secrets"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secrets"
    path.write_text("secret")
    path.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600") as caught:
        load_or_create_private(path, never)

    assert "secret" not in caught.value.problem


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o600)

    with pytest.raises(ConfigError, match="ASCII"):
        load_or_create_private(path, never)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read or made"):
        load_or_create_private(tmp_path, never)


def test_a_link_to_nowhere_is_refused_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secrets").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="cannot be read or made"):
        load_or_create_private(tmp_path / "secrets", lambda: "secret")

    assert names(tmp_path) == ["secrets"]


def test_a_file_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="cannot be read or made"):
        load_or_create_private(tmp_path / "file" / "secrets", lambda: "secret")


# -- replacing ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    load_or_create_private(tmp_path / "secrets", lambda: "before")
    return tmp_path / "secrets"


def test_a_file_is_replaced_whole_for_its_owner_alone(secret_file: Path) -> None:
    before = secret_file.stat()

    replace_private(secret_file, "after", instead_of="before")

    assert secret_file.read_text() == "after"
    assert stat.S_IMODE(secret_file.stat().st_mode) == 0o600
    assert (secret_file.stat().st_uid, secret_file.stat().st_ino != before.st_ino) == (before.st_uid, True)
    assert names(secret_file.parent) == ["secrets"]


def test_a_file_that_somebody_else_has_changed_is_left_alone(secret_file: Path) -> None:
    with pytest.raises(ConfigError, match="another process"):
        replace_private(secret_file, "after", instead_of="another")

    assert secret_file.read_text() == "before"
    assert names(secret_file.parent) == ["secrets"]


def test_of_many_that_replace_it_at_once_one_succeeds(secret_file: Path) -> None:
    barrier, done = threading.Barrier(8), []

    def replace(number: int) -> None:
        barrier.wait()
        try:
            replace_private(secret_file, f"after {number}", instead_of="before")
            done.append(number)
        except ConfigError:
            pass

    threads = [threading.Thread(target=replace, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [secret_file.read_text()] == [f"after {number}" for number in done]


def test_what_a_link_leads_to_is_replaced_and_not_the_link(secret_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret_file)

    replace_private(link, "after", instead_of="before")

    assert link.is_symlink()
    assert secret_file.read_text() == "after"


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_not_replaced(secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        replace_private(secret_file, "after", instead_of="before")


def test_a_file_that_is_not_there_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be replaced"):
        replace_private(tmp_path / "secrets", "after", instead_of="")

    assert names(tmp_path) == []


def test_files_are_made_and_replaced_where_fcntl_is_missing(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["fcntl"] = None
from pathlib import Path
from oic_session_ext import Provider, SecretRing
from oic_session_ext.crypto.private_file import replace_private
path = Path(sys.argv[1])
ring = SecretRing.load_or_create(path)
replace_private(path, ring.with_next().to_text(), instead_of=ring.to_text())
print(len(SecretRing.load_or_create(path).fingerprints))
"""

    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "secrets")], capture_output=True, text=True, check=False)

    assert (done.stderr, done.stdout) == ("", "2\n")
