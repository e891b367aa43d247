"""The Redis engine says so when it cannot work, keeps nothing half, and resumes by itself."""

from __future__ import annotations

import datetime as dt
import ipaddress
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from oic_session_ext.errors import ConfigError, StoreUnavailable
from oic_session_ext.store import open_store
from oic_session_ext.store.changes import ClaimFact, EndOpSession, PutGrant, PutOpSession
from oic_session_ext.store.redis import connections as redis_connections
from oic_session_ext.store.redis.connections import parse_redis_url
from oic_session_ext.store.redis.engine import RedisStore, open_redis_store
from oic_session_ext.testing.examples import example_grant, example_notice, example_op_session, example_rp_session
from oic_session_ext.testing.store_contract import winners
from tests.store.redis_server import DURABLE, RedisServer, running_redis

SESSION = example_op_session(rp_sessions=(example_rp_session(),))


@pytest.fixture(scope="module")
def running_server() -> Iterator[RedisServer]:
    with running_redis(*DURABLE) as server:
        yield server


@pytest.fixture
def server(running_server: RedisServer) -> RedisServer:
    """Give an empty server to do harm to."""
    running_server.admin.flushall()
    return running_server


@pytest.fixture
def store(server: RedisServer) -> Iterator[RedisStore]:
    store = open_redis_store(f"{server.url}?timeout_s=1")
    yield store
    store.close()


# --- a server that ends


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_store_resumes_by_itself_with_everything_that_was_committed(store: RedisStore, server: RedisServer, how: signal.Signals) -> None:
    store.commit([PutOpSession(SESSION), PutGrant(example_grant(op_session_id="id-one"))])
    server.stop(how)

    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            store.op_session("id-one")
        with pytest.raises(StoreUnavailable):
            store.ping()
    server.start()

    assert store.op_session("id-one") == SESSION
    store.commit([EndOpSession(SESSION, [example_notice()])])
    assert store.grant("grant-one") is None
    assert store.notices(10) == [example_notice()]


def test_no_request_meets_the_connections_that_a_restart_has_closed_while_they_rested(
    store: RedisStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(winners(lambda _: store.ping(), 4)) == 4
    server.stop()
    server.start()
    monkeypatch.setattr(redis_connections, "_IDLE_CHECK_S", -1)

    assert len(winners(lambda _: store.ping(), 8)) == 8


@pytest.mark.spec("RI-50", "SID-10")
def test_after_a_kill_of_the_server_every_commit_that_was_answered_is_there_and_none_by_half(
    store: RedisStore, server: RedisServer
) -> None:
    ends = {i: example_op_session(f"{i}", rp_sessions=(example_rp_session(f"{i}"),)) for i in range(300)}
    for i, session in ends.items():
        store.commit([PutOpSession(session), PutGrant(example_grant(f"{i}", op_session_id=session.id))])
    ended: list[int] = []

    def end(thread: int) -> None:
        for i in range(thread, len(ends), 4):
            try:
                store.commit([EndOpSession(ends[i], [example_notice(f"{i}")])])
            except StoreUnavailable:
                return
            ended.append(i)
            if len(ended) == 100:
                server.stop(signal.SIGKILL)

    winners(end, 4)
    server.start()

    found = {}
    for i, session in ends.items():
        state = (store.op_session(session.id) is None, store.grant(f"grant-{i}") is None, store.notice(f"notice-{i}") is not None)
        found[i] = {(False, False, False): "whole", (True, True, True): "gone"}.get(state, f"half: {state}")
    assert set(found.values()) == {"whole", "gone"}
    assert {found[i] for i in ended} == {"gone"}
    assert len(ended) >= 100


def test_nothing_but_unavailable_comes_of_a_server_that_stops_and_starts_under_load(store: RedisStore, server: RedisServer) -> None:
    is_over = threading.Event()
    answered: list[str] = []

    def load(thread: int) -> None:
        i = 0
        while not is_over.is_set():
            i += 1
            try:
                store.commit([PutOpSession(example_op_session(f"{thread}-{i}"))])
                answered.append(f"{thread}-{i}")
                found = store.op_session_by_cookie(f"cookie-{thread}-{i}")
            except StoreUnavailable:
                continue
            assert found is not None

    def stop_and_start(_: int) -> None:
        try:
            for how in (signal.SIGTERM, signal.SIGKILL):
                before = len(answered)
                while len(answered) < before + 50:
                    pass
                server.stop(how)
                server.start()
        finally:
            is_over.set()

    winners(lambda i: stop_and_start(i) if i == 0 else load(i), 4)

    assert [name for name in answered if store.op_session(f"id-{name}") is None] == []


# --- a server that does not answer


def test_a_server_that_does_not_answer_in_time_is_unavailable_and_its_late_answer_goes_to_nobody(
    store: RedisStore, server: RedisServer
) -> None:
    store.commit([ClaimFact("name", "value")])
    server.pause()
    try:
        with pytest.raises(StoreUnavailable, match="Timeout"):
            store.fact("name")
    finally:
        server.resume()

    assert store.fact("other") is None
    assert store.fact("name") == "value"


def test_a_connection_that_is_waited_for_too_long_is_unavailable(server: RedisServer) -> None:
    store = open_redis_store(f"{server.url}?timeout_s=1&max_connections=1")
    with store._connections._free, pytest.raises(StoreUnavailable, match="in use"):
        store.ping()

    store.ping()
    store.close()


def test_no_more_connections_are_made_than_the_limit(server: RedisServer) -> None:
    store = open_redis_store(f"{server.url}?max_connections=2")
    before = len(server.admin.client_list())

    assert len(winners(lambda _: [store.ping() for _ in range(20)], 8)) == 8

    assert len(server.admin.client_list()) <= before + 1
    store.close()


# --- a server that cannot write


def test_a_server_whose_memory_is_full_keeps_nothing_of_a_commit_and_is_read_on(store: RedisStore, server: RedisServer) -> None:
    store.commit([PutOpSession(SESSION), PutGrant(example_grant(op_session_id="id-one"))])
    server.admin.config_set("maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            store.commit([EndOpSession(SESSION, [example_notice()])])
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            store.ping()
        assert store.op_session_by_cookie("cookie-one") == SESSION
        assert store.grant("grant-one") is not None
    finally:
        server.admin.config_set("maxmemory", "0")

    store.commit([EndOpSession(SESSION, [example_notice()])])
    assert store.op_session_by_cookie("cookie-one") is None


def test_a_replica_is_read_but_not_written(store: RedisStore, server: RedisServer) -> None:
    store.commit([PutOpSession(SESSION)])
    server.admin.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(StoreUnavailable, match="replica"):
            store.commit([EndOpSession(SESSION)])
        with pytest.raises(StoreUnavailable):
            store.ping()
        assert store.op_session_by_cookie("cookie-one") == SESSION
    finally:
        server.admin.replicaof("NO", "ONE")

    store.ping()


def test_a_server_that_could_not_save_to_its_disk_is_not_written(store: RedisStore, server: RedisServer) -> None:
    in_the_way = server.folder / "dump.rdb" / "a folder"
    in_the_way.mkdir(parents=True)
    server.admin.config_set("save", "3600 1")
    try:
        _save(server)
        with pytest.raises(StoreUnavailable, match="disk"):
            store.commit([PutOpSession(SESSION)])
        with pytest.raises(StoreUnavailable, match="disk"):
            store.ping()
        assert store.op_session("id-one") is None
    finally:
        shutil.rmtree(in_the_way.parent)
        _save(server)
        server.admin.config_set("save", "")

    store.commit([PutOpSession(SESSION)])


def _save(server: RedisServer) -> None:
    server.admin.bgsave()
    while server.admin.info("persistence")["rdb_bgsave_in_progress"]:
        pass


def test_a_closed_store_is_unavailable_and_holds_no_connection(store: RedisStore) -> None:
    store.ping()
    ((connection, _),) = store._connections._idle

    store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        store.op_session("id-one")
    with pytest.raises(StoreUnavailable, match="closed"):
        store.ping()
    assert connection._sock is None


def test_a_connection_that_is_in_use_while_the_store_is_closed_is_closed_afterwards(store: RedisStore) -> None:
    connection = store._connections._take_connection()
    store.close()

    store._connections._release_connection(connection)

    assert connection._sock is None


# --- addresses


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        open_store(f"unix://{tmp_path}/none.sock")
    with pytest.raises(StoreUnavailable):
        open_store(f"redis://127.0.0.1:{_free_port()}")


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://host:port",
        "redis://host:99999",
        "redis://host/zero",
        "redis://host/0/1",
        "redis://host#0",
        "redis://host?prefix",
        "redis://host?prefix=",
        "redis://host?prefix={a}b",
        "redis://host?timeout_s=0",
        "redis://host?timeout_s=0.5",
        "redis://host?max_connections=-1",
        "redis://host?db=x",
        "redis://host?ssl_ca_certs=/ca.pem",
        "rediss://host?ssl_ca_certs=/not/there.pem",
        "rediss://host?ssl_cert_reqs=none",
        "redis://host?socket_timeout=1",
        "unix://",
        "unix://host/path",
        "unix:path",
    ],
)
def test_a_url_with_a_fault_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        parse_redis_url(url)


@pytest.mark.parametrize("fault", ["redis://user:hunter2@host:port", "redis://user:hunter2@host/x", "redis://:hunter2@host?option=1"])
def test_the_message_about_a_url_does_not_hold_its_password(fault: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_redis_url(fault)

    assert "hunter2" not in f"{refused.value}"


def test_a_url_says_where_and_as_whom() -> None:
    parsed = parse_redis_url("redis://us%40er:p%2Fw@op.example:6380/3?prefix=b&timeout_s=2&max_connections=7")

    connection = parsed.make_connection()
    assert (connection.host, connection.port, connection.db) == ("op.example", 6380, 3)
    assert (connection.username, connection.password) == ("us@er", "p/w")
    assert (connection.socket_timeout, connection.socket_connect_timeout) == (2, 2)
    assert (parsed.prefix, parsed.timeout_s, parsed.max_connections) == ("{b}:", 2, 7)


# --- TLS


def test_a_server_is_reached_over_tls_when_its_certificate_is_good(tmp_path: Path) -> None:
    _write_certificate(tmp_path)
    port = _free_port()
    files = ("--tls-cert-file", f"{tmp_path}/cert.pem", "--tls-key-file", f"{tmp_path}/key.pem")
    with running_redis("--tls-port", f"{port}", *files, "--tls-auth-clients", "no"):
        store = open_store(f"rediss://127.0.0.1:{port}?ssl_ca_certs={tmp_path}/cert.pem")

        store.commit([PutOpSession(SESSION)])

        assert store.op_session("id-one") == SESSION
        store.close()
        for url in (f"rediss://127.0.0.1:{port}", f"rediss://localhost:{port}?ssl_ca_certs={tmp_path}/cert.pem"):
            with pytest.raises(StoreUnavailable, match="certificate verify failed"):
                open_store(url)
        with pytest.raises(StoreUnavailable):
            open_store(f"redis://127.0.0.1:{port}")


def _write_certificate(folder: Path) -> None:
    """Write a key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
