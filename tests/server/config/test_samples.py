"""Every sample in `conf/` is good, and says what its readers rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oic_session_ext.server.config.loader import load_settings
from oic_session_ext.server.config.reference import render_reference
from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.server.users import UserDirectory

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "conf").glob("*.yaml"))


def sample(name: str) -> ServerSettings:
    return load_settings(ROOT / "conf" / name)


def test_there_is_a_sample_for_each_deployment() -> None:
    assert [file.name for file in SAMPLES] == [
        "bench-memory.yaml",
        "bench.yaml",
        "certification.yaml",
        "demo.yaml",
        "op.yaml",
        "postgresql.yaml",
        "redis.yaml",
    ]


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_a_sample_is_good_as_it_stands(file: Path) -> None:
    assert load_settings(file).issuer


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_a_sample_begins_with_a_comment_on_its_purpose(file: Path) -> None:
    assert file.read_text("utf-8").startswith("# ")


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.name)
def test_a_sample_keeps_its_data_in_a_folder_of_its_own_below_var(file: Path) -> None:
    settings = load_settings(file)
    database = settings.store.removeprefix("sqlite:///") if settings.store.startswith("sqlite:") else None
    files = [one for one in (database, settings.secrets_file, settings.keys_file) if one]

    assert settings.store == "memory:" or {Path(one).resolve().parent.parent for one in files} == {ROOT / "var"}


@pytest.mark.parametrize(("username", "password"), [("alice", "wonderland"), ("bob", "builder")])
def test_the_users_of_the_demo_sign_in_with_the_passwords_in_its_comments(username: str, password: str) -> None:
    user = UserDirectory(sample("demo.yaml").users).verify(username, password)

    assert user is not None
    assert user.uid == username
    assert re.search(f"- username: {username} +# password: {password}\n", (ROOT / "conf" / "demo.yaml").read_text("utf-8"))


@pytest.mark.spec("RP-12")
def test_the_example_rps_that_are_told_of_a_logout_require_to_be_told_which_session() -> None:
    told = [client for client in sample("demo.yaml").clients if client.backchannel_logout_uri or client.frontchannel_logout_uri]

    assert len(told) == 3
    for client in told:
        assert client.backchannel_logout_session_required is (client.backchannel_logout_uri is not None)
        assert client.frontchannel_logout_session_required is (client.frontchannel_logout_uri is not None)


@pytest.mark.parametrize(
    ("client_id", "port", "consent"),
    [("demo-a", 8081, "ask"), *((f"demo-{name}", port, "skip") for name, port in zip("bcde", range(8082, 8086), strict=True))],
)
def test_the_demo_has_the_addresses_of_the_example_rps(client_id: str, port: int, consent: str) -> None:
    settings = sample("demo.yaml")
    client = next(client for client in settings.clients if client.client_id == client_id)

    assert settings.issuer == f"http://localhost:{settings.listen.port}"
    assert client.redirect_uris == (f"http://localhost:{port}/callback", f"http://localhost:{port}/silent")
    assert client.post_logout_redirect_uris == (f"http://localhost:{port}/signed-out",)
    assert client.consent == consent


def test_the_production_sample_is_closed_to_strangers() -> None:
    settings = sample("op.yaml")

    assert settings.issuer.startswith("https://")
    assert settings.registration.mode == "off"
    assert settings.listen.host == "127.0.0.1"
    assert not settings.login.cheap_passwords_for_benchmarks


@pytest.mark.parametrize(
    ("name", "store"), [("bench.yaml", f"sqlite:///{ROOT}/conf/../var/bench/op.sqlite"), ("bench-memory.yaml", "memory:")]
)
def test_the_bench_samples_are_what_the_driver_expects(name: str, store: str) -> None:
    settings = sample(name)
    (client,) = settings.clients

    assert settings.store == store
    assert (settings.issuer, settings.listen.host, settings.listen.port) == ("http://127.0.0.1:9104", "127.0.0.1", 9104)
    assert (client.client_id, client.read_secret()) == ("bench", "bench-secret")
    assert client.redirect_uris == ("http://rp.example.com/cb",)
    assert client.post_logout_redirect_uris == ("http://rp.example.com/out",)
    assert UserDirectory(settings.users).verify("alice", "wonderland") is not None


def test_the_two_bench_samples_differ_in_their_store_alone() -> None:
    on_sqlite, in_memory = sample("bench.yaml"), sample("bench-memory.yaml")

    assert on_sqlite.model_copy(update={"store": in_memory.store}) == in_memory


def test_the_configuration_reference_is_fresh() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text("utf-8")

    assert written == render_reference(), "run: python -m oic_session_ext.server.config.reference > docs/configuration.md"
