"""Settings files, good and bad: a bad one is told by key, line, what is wrong and what is allowed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oic_session_ext.crypto.secret_ring import SecretRing
from oic_session_ext.server.config.client import ClientSettings
from oic_session_ext.server.config.listen import ListenSettings
from oic_session_ext.server.config.loader import SettingsFileError, fields_by_key, load_settings
from oic_session_ext.server.config.settings import ServerSettings
from oic_session_ext.server.config.user import UserSettings
from oic_session_ext.server.config.yaml_document import MAX_BYTES
from oic_session_ext.settings import SessionManagementSettings

HASH = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$Zm9ydHktdHdvIGJ5dGVzIG9mIGhhc2ggIQ"

# Names that stand somewhere in a file, so that random files reach deep into the settings.
KEYS = sorted({key for section in (ServerSettings, ClientSettings, UserSettings, ListenSettings) for key in fields_by_key(section)})

# Lines 1 to 5 of most files here; what a test is about begins on line 6.
HEAD = f"""\
issuer: https://op.example.com
store: "memory:"
users:
  - username: alice
    password_hash: {HASH}
"""

CLIENT = """\
clients:
  - client_id: rp
    client_secret: of-the-rp
    redirect_uris: [https://rp.example.com/cb]
"""


def load(tmp_path: Path, text: str | bytes) -> ServerSettings:
    file = tmp_path / "op.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(file)


def problems(tmp_path: Path, text: str | bytes) -> list[tuple[str, int | None, str]]:
    """Return the key, line and text of every problem of a file."""
    with pytest.raises(SettingsFileError) as caught:
        load(tmp_path, text)
    return [(one.path, one.line, one.problem) for one in caught.value.problems]


def the_problem(tmp_path: Path, text: str | bytes) -> tuple[str, int | None, str]:
    (one,) = problems(tmp_path, text)
    return one


def of_client(tmp_path: Path, *lines: str) -> list[tuple[str, int | None, str]]:
    """Return the problems of a client that has these lines; the first is line 8 of the file."""
    body = "".join(f"    {line}\n" for line in lines)
    return problems(tmp_path, f"{HEAD}clients:\n  - client_id: rp\n{body}")


# --- good files


def test_what_is_not_said_has_the_defaults_of_the_extension(tmp_path: Path) -> None:
    assert load(tmp_path, HEAD).session_management_settings() == SessionManagementSettings()


def test_every_setting_of_the_extension_that_the_file_has_reaches_it(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        HEAD
        + dedent("""\
        session: {idle_timeout: 30m, absolute_timeout: 8h, max_rp_sessions: 5, cookie: s, browser_state_cookie: b}
        session_management: {enabled: false, unauthenticated_key: shared-by-all-servers}
        logout: {ask: always, redirect_without_hint: true, recent: 2h, confirmation_lifetime: 90s, revoke_offline_access: true}
        tokens: {code_lifetime: 30, access_token_lifetime: 5m, id_token_lifetime: 6m, refresh_token_lifetime: 14d,
                 refresh_without_offline_access: true}
        """),
    )

    assert settings.session_management_settings() == SessionManagementSettings(
        check_session=False,
        unauthenticated_key="shared-by-all-servers",
        idle_timeout_s=1800,
        absolute_timeout_s=28800,
        max_rp_sessions=5,
        session_cookie="s",
        browser_state_cookie="b",
        ask="always",
        redirect_without_hint=True,
        recent_s=7200,
        confirmation_lifetime_s=90,
        revoke_offline_access=True,
        code_lifetime_s=30,
        access_token_lifetime_s=300,
        id_token_lifetime_s=360,
        refresh_token_lifetime_s=14 * 86400,
        refresh_without_offline_access=True,
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("14d", 1209600), ("45", 45), ('"45"', 45), ("3650d", 315360000)]
)
def test_a_duration_is_read_in_seconds(tmp_path: Path, text: str, seconds: int) -> None:
    assert load(tmp_path, f"{HEAD}session: {{idle_timeout: {text}}}\n").session.idle_timeout_s == seconds


def test_yes_no_and_off_are_text(tmp_path: Path) -> None:
    settings = load(tmp_path, HEAD.replace("username: alice", "username: no") + "registration: {mode: off}\n")

    assert settings.users[0].username == "no"
    assert settings.registration.mode == "off"


def test_a_date_among_the_claims_stays_text(tmp_path: Path) -> None:
    assert load(tmp_path, f"{HEAD}    claims: {{birthdate: 1862-07-04}}\n").users[0].claims == {"birthdate": "1862-07-04"}


def test_a_value_may_be_named_once_and_used_twice(tmp_path: Path) -> None:
    two = CLIENT + "    post_logout_redirect_uris: &bye [https://rp.example.com/]\n"
    two += "  - {client_id: rp2, client_secret: x, redirect_uris: [https://rp2.example.com/cb], post_logout_redirect_uris: *bye}\n"

    assert load(tmp_path, HEAD + two).clients[1].post_logout_redirect_uris == ("https://rp.example.com/",)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, b"\xef\xbb\xbf" + HEAD.encode()).issuer == "https://op.example.com"


def test_a_relative_path_starts_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")

    settings = load(tmp_path, HEAD.replace('"memory:"', "sqlite:///data/op.sqlite") + "keys: ../keys.json\n")

    assert settings.store == f"sqlite:///{tmp_path}/data/op.sqlite"
    assert settings.keys_file == tmp_path / "../keys.json"


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    settings = load(tmp_path, HEAD.replace('"memory:"', "sqlite:////srv/op/op.sqlite") + "keys: /etc/op/keys.json\n")

    assert settings.store == "sqlite:////srv/op/op.sqlite"
    assert settings.keys_file == Path("/etc/op/keys.json")


def test_secrets_and_keys_are_beside_the_database_unless_told_otherwise(tmp_path: Path) -> None:
    settings = load(tmp_path, HEAD.replace('"memory:"', "sqlite:////srv/op/op.sqlite"))

    assert settings.secrets_file == Path("/srv/op/secrets")
    assert settings.keys_file == Path("/srv/op/keys.json")


def test_with_the_memory_store_secrets_and_keys_have_no_file(tmp_path: Path) -> None:
    settings = load(tmp_path, HEAD)

    assert settings.secrets_file is None
    assert settings.keys_file is None


def test_secrets_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OP_SECRETS", SecretRing.generate_text())

    settings = load(tmp_path, HEAD.replace('"memory:"', "sqlite:////srv/op/op.sqlite") + "secrets: {env: OP_SECRETS}\n")

    assert settings.secrets is not None
    assert settings.secrets.env == "OP_SECRETS"
    assert settings.secrets_file is None


@pytest.mark.parametrize(
    "issuer",
    [
        "https://op.example.com",
        "https://op.example.com:8443",
        "https://op.example.com/tenant/one",
        "http://localhost:8080",
        "http://127.0.0.1",
        '"http://[::1]:8080"',
    ],
)
def test_an_issuer_is_https_or_on_this_machine(tmp_path: Path, issuer: str) -> None:
    assert load(tmp_path, HEAD.replace("https://op.example.com", issuer)).issuer == issuer.strip('"')


def test_a_client_secret_may_be_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("kept-elsewhere\n", "utf-8")

    settings = load(tmp_path, HEAD + CLIENT.replace("client_secret: of-the-rp", "client_secret_from: {file: secret}"))

    assert settings.clients[0].read_secret() == "kept-elsewhere"


def test_client_metadata_has_the_names_and_types_of_registration(tmp_path: Path) -> None:
    metadata = load(tmp_path, HEAD + CLIENT).clients[0].metadata()

    assert metadata == {
        "client_id": "rp",
        "client_secret": "of-the-rp",
        "application_type": "web",
        "token_endpoint_auth_method": "client_secret_basic",
        "redirect_uris": ["https://rp.example.com/cb"],
        "post_logout_redirect_uris": [],
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
        "id_token_signed_response_alg": "RS256",
        "subject_type": "public",
        "frontchannel_logout_session_required": False,
        "frontchannel_logout_add_session": True,
        "backchannel_logout_session_required": False,
        "backchannel_logout_token_typ": True,
    }


@pytest.mark.parametrize("secret_key", ["client_secret", "password"])
def test_secrets_are_not_shown_by_the_text_of_the_settings(tmp_path: Path, secret_key: str) -> None:
    text = HEAD.replace("https://op.example.com", "http://localhost").replace(f"password_hash: {HASH}", "password: s3cr3t")
    text += "login: {cheap_passwords_for_benchmarks: true}\n" + CLIENT.replace("of-the-rp", "s3cr3t")

    assert "s3cr3t" not in repr(load(tmp_path, text))


# --- files that cannot be read


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError) as caught:
        load_settings(tmp_path / "none.yaml")

    assert list(caught.value.lines()) == [f"{tmp_path}/none.yaml: the file: cannot be read: No such file or directory"]


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # a file's mode does not stop root, who may run the tests

    with pytest.raises(SettingsFileError, match="the file: cannot be read: Permission denied"):
        load_settings(tmp_path / "op.yaml")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        pytest.param("", 1, "is empty", id="empty file"),
        pytest.param("# nothing yet\n", 1, "is empty", id="only comments"),
        pytest.param("\n\n- issuer\n", 3, "is not a section", id="a list"),
        pytest.param("https", 1, "is not a section", id="a word"),
        pytest.param("issuer: x\nlisten:\n\tport: 1\n", 3, "indent with spaces", id="a tab"),
        pytest.param("issuer: x\nstore: memory:\n", 2, "in quotes", id="a colon in text"),
        pytest.param("issuer: x\nusers: [a, b\n", 2, "is not YAML", id="an open bracket"),
        pytest.param("issuer: 'x\n", 1, "is not YAML", id="an open quote"),
        pytest.param("issuer: x\n---\nissuer: y\n", 2, "second document", id="two documents"),
        pytest.param("issuer: x\nstore: *other\n", 2, "undefined alias", id="an unknown alias"),
        pytest.param(b"issuer: x\nstore: \xff\n", 2, "is not UTF-8", id="not UTF-8"),
        pytest.param("issuer: x\nstore: \x00\n", 2, "control character", id="a NUL"),
        pytest.param("issuer: '\\U00110000'\n".replace("'", '"'), 1, "is not YAML", id="an impossible character"),
        pytest.param("[" * 1000, 1, "nested too deeply", id="deep nesting"),
        pytest.param("#" * (MAX_BYTES + 1), 1, "larger than", id="too large"),
    ],
)
def test_a_file_that_is_no_section_in_yaml_is_told_with_the_line(tmp_path: Path, text: str | bytes, line: int, problem: str) -> None:
    key, found_line, found = the_problem(tmp_path, text)

    assert (key, found_line) == ("the file", line)
    assert problem in found


@pytest.mark.parametrize(
    ("text", "key", "line", "problem"),
    [
        pytest.param("issuer: a\nissuer: b\n", "issuer", 2, "is duplicate; the first is on line 1", id="duplicate key"),
        pytest.param("listen:\n  port: 1\n  host: x\n  port: 2\n", "listen.port", 4, "the first is on line 2", id="nested duplicate"),
        pytest.param("users:\n  - username: a\n    username: b\n", "users[0].username", 3, "is duplicate", id="duplicate in a list"),
        pytest.param("issuer: !!python/object:os.system x\n", "issuer", 1, "tags are not allowed", id="python tag"),
        pytest.param("listen: !mine {port: 1}\n", "listen", 1, "tags are not allowed", id="own tag on a section"),
        pytest.param("users: !mine []\n", "users", 1, "tags are not allowed", id="own tag on a list"),
        pytest.param("users: !!set {a, b}\n", "users", 1, "tags are not allowed", id="a set"),
        pytest.param("a: &a {port: 1}\nlisten:\n  <<: *a\n", "listen", 3, "merge keys are not supported", id="merge key"),
        pytest.param("1: x\n", "the file", 1, "put it in quotes", id="a number as key"),
        pytest.param("[a]: x\n", "the file", 1, "put it in quotes", id="a list as key"),
        pytest.param("listen: &a\n  tls: *a\n", "listen.tls", 1, "alias of a section around it", id="endless alias"),
        pytest.param("issuer: !!binary aGk=\n", "issuer", 1, "tags are not allowed", id="binary"),
        pytest.param("%YAML 1.1\n---\nusers: yes\n", "users", 3, "cannot be read", id="a switch of YAML 1.1"),
        pytest.param("listen: {port: .inf}\n", "listen.port", 1, "cannot be read", id="infinity"),
    ],
)
def test_yaml_that_could_be_read_in_two_ways_is_refused(tmp_path: Path, text: str, key: str, line: int, problem: str) -> None:
    found_key, found_line, found = the_problem(tmp_path, text)

    assert (found_key, found_line) == (key, line)
    assert problem in found


def test_a_few_lines_of_aliases_do_not_become_billions_of_values(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    assert "values" in the_problem(tmp_path, "\n".join(lines))[2]


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
def test_whatever_the_text_it_is_told_and_never_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsFileError) as caught:
        load(tmp_path, text.encode("utf-8", "surrogatepass"))

    assert all(line.isprintable() for line in caught.value.lines())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8))
def test_whatever_the_values_they_are_told_and_never_a_crash(tmp_path: Path, value: dict[str, object]) -> None:
    text = json.dumps({"issuer": "https://op.example.com"} | value)  # JSON is YAML

    with pytest.raises(SettingsFileError) as caught:
        load(tmp_path, text)

    assert all(problem.line == 1 for problem in caught.value.problems)


# --- settings that are wrong


@pytest.mark.parametrize(
    ("more", "key", "line", "problem"),
    [
        pytest.param("listen: {port: eighty}", "listen.port", 6, "must be a whole number, not text", id="text for a number"),
        pytest.param('listen: {port: "80"}', "listen.port", 6, "must be a whole number, not text", id="a number in quotes"),
        pytest.param("listen: {port: true}", "listen.port", 6, "must be a whole number, not a switch", id="a switch for a number"),
        pytest.param("listen: {port: 0}", "listen.port", 6, "must be at least 1", id="too small"),
        pytest.param("listen: {port: 65536}", "listen.port", 6, "must be at most 65535", id="too large"),
        pytest.param("listen: 8080", "listen", 6, "must be a section of keys and values, not a number", id="a number for a section"),
        pytest.param("listen:", "listen", 6, "must be a section of keys and values, not empty", id="an empty section"),
        pytest.param(
            "logout: {redirect_without_hint: yes}", "logout.redirect_without_hint", 6, "must be true or false, not text", id="yes"
        ),
        pytest.param("logout: {ask: never}", "logout.ask", 6, "must be 'when_required' or 'always'", id="not one of the choices"),
        pytest.param("session:\n  idle_timeout: soon", "session.idle_timeout", 7, "such as 90s, 30m, 8h or 14d", id="no duration"),
        pytest.param("session: {idle_timeout: 0}", "session.idle_timeout", 6, "more than zero", id="no time at all"),
        pytest.param("session: {idle_timeout: -5m}", "session.idle_timeout", 6, "more than zero", id="negative duration"),
        pytest.param("session: {idle_timeout: 1.5h}", "session.idle_timeout", 6, "such as 90s", id="fraction"),
        pytest.param("session: {idle_timeout: 99999d}", "session.idle_timeout", 6, "at most 3650d", id="endless duration"),
        pytest.param("session: {idle_timeout: true}", "session.idle_timeout", 6, "such as 90s", id="a switch for a duration"),
        pytest.param("session: {cookie: a b}", "session.cookie", 6, "must match", id="cookie name with a space"),
        pytest.param(
            "session: {cookie: op_browser_state}", "session.browser_state_cookie", 6, "must differ", id="one name for two cookies"
        ),
        pytest.param(
            "session_management: {unauthenticated_key: short}", "session_management.unauthenticated_key", 6, "must match", id="key"
        ),
        pytest.param("pages: {folder: [a]}", "pages.folder", 6, "must be the path", id="a list for a path"),
        pytest.param('keys: ""', "keys.file", 6, "must be the path", id="an empty path"),
        pytest.param("keys: {in_store: true, env: KEYS}", "keys", 6, "exactly one of file, env, in_store", id="keys in two places"),
        pytest.param("keys: {in_store: false}", "keys", 6, "exactly one of file, env, in_store", id="keys nowhere"),
        pytest.param("pages: {folder: nowhere}", "pages.folder", 6, "nowhere is not a folder", id="no such folder"),
        pytest.param("secrets: {}", "secrets", 6, "exactly one of file, env", id="secrets from nowhere"),
        pytest.param("secrets: {file: a, env: B}", "secrets", 6, "exactly one of file, env", id="secrets from two places"),
        pytest.param("secrets: {env: NOT_SET_IN_TESTS}", "secrets.env", 6, "NOT_SET_IN_TESTS is not set", id="secrets not set"),
        pytest.param("listen: {proxy: {}}", "listen.proxy.trusted", 6, "is missing", id="nobody trusted"),
        pytest.param("listen: {proxy: {trusted: []}}", "listen.proxy.trusted", 6, "at least 1 entry", id="an empty list of trust"),
        pytest.param("listen: {proxy: {trusted: [lb]}}", "listen.proxy.trusted[0]", 6, "an IP address or a network", id="a name to trust"),
        pytest.param("listen: {proxy: {trusted: [10.0.0.1/8]}}", "listen.proxy.trusted[0]", 6, "a network", id="host bits in a network"),
        pytest.param("registration: {mode: token}", "registration.initial_access_token", 6, "is missing", id="no access token"),
        pytest.param(
            "registration: {mode: open, initial_access_token: {env: X}}",
            "registration.initial_access_token",
            6,
            "is not used",
            id="idle token",
        ),
        pytest.param("clients: []\nlogin: {throttle: {max_attempts: 0}}", "login.throttle.max_attempts", 7, "at least 1", id="no attempt"),
    ],
)
def test_a_wrong_value_is_told_by_full_key_line_and_what_is_allowed(
    tmp_path: Path, more: str, key: str, line: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_IN_TESTS", raising=False)

    found_key, found_line, found = the_problem(tmp_path, HEAD + more + "\n")

    assert (found_key, found_line) == (key, line)
    assert problem in found


@pytest.mark.parametrize(
    ("more", "key", "line", "guess"),
    [
        pytest.param("sesion: {}", "sesion", 6, "did you mean session?", id="at the top"),
        pytest.param("session:\n  idle_timout: 5m", "session.idle_timout", 7, "did you mean idle_timeout?", id="in a section"),
        pytest.param("session: {idle_timeout_s: 5}", "session.idle_timeout_s", 6, "did you mean idle_timeout?", id="Python's name"),
        pytest.param(
            "listen: {limits: {max_body: 1}}", "listen.limits.max_body", 6, "did you mean max_body_bytes?", id="two sections deep"
        ),
        pytest.param(
            CLIENT + "    redirect_uri: x", "clients[0].redirect_uri", 10, "did you mean redirect_uris?", id="in an entry of a list"
        ),
        pytest.param("pages: {colour: red}", "pages.colour", 6, "(allowed here: folder)", id="nothing near"),
    ],
)
def test_an_unknown_key_is_told_with_the_key_that_was_probably_meant(tmp_path: Path, more: str, key: str, line: int, guess: str) -> None:
    found_key, found_line, found = the_problem(tmp_path, HEAD + more + "\n")

    assert (found_key, found_line) == (key, line)
    assert guess in found
    assert "allowed here: " in found


@pytest.mark.parametrize("key", ["issuer", "store"])
def test_a_missing_key_is_told_where_the_file_begins(tmp_path: Path, key: str) -> None:
    text = "# a comment\n" + "".join(line for line in HEAD.splitlines(keepends=True) if not line.startswith(key))

    assert the_problem(tmp_path, text) == (key, 2, "is missing")


def test_a_missing_key_of_a_list_entry_is_told_where_the_entry_begins(tmp_path: Path) -> None:
    two = CLIENT + "  - client_secret: x\n    redirect_uris: [https://rp.example.com/cb]\n"

    assert the_problem(tmp_path, HEAD + two) == ("clients[1].client_id", 10, "is missing")


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = HEAD.replace("https:", "ftp:") + "listen: {port: x}\nsession: {idle_timeout: x}\nnonsense: 1\n"

    assert [(key, line) for key, line, _ in problems(tmp_path, text)] == [
        ("issuer", 1),
        ("listen.port", 6),
        ("session.idle_timeout", 7),
        ("nonsense", 8),
    ]


def test_a_strange_key_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError) as caught:
        load(tmp_path, HEAD + '"x\\n\\e[31mroot": 1\n')

    (line,) = caught.value.lines()
    assert line.isprintable()


@pytest.mark.parametrize(
    "line",
    ["client_secret: [s3cr3t]", "client_secret: {s3cr3t: s3cr3t}", 'client_secret: "s3cr3t\\u00e9"', "client_secret: " + "s3cr3t" * 200],
    ids=["a list", "a section", "not ASCII", "too long"],
)
def test_a_secret_is_not_repeated_in_what_is_told(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsFileError) as caught:
        load(tmp_path, HEAD + CLIENT.replace("client_secret: of-the-rp", line))

    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None


# --- the issuer


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        pytest.param("http://op.example.com", "http is allowed for localhost", id="http on a real host"),
        pytest.param("http://localhost.example.com", "http is allowed for localhost", id="a host that looks local"),
        pytest.param("http://127.0.0.2", "http is allowed for localhost", id="another loopback address"),
        pytest.param("http://0.0.0.0:8080", "http is allowed for localhost", id="every address"),
        pytest.param("https://op.example.com/", "write https://op.example.com", id="slash at the end"),
        pytest.param("https://op.example.com/a/", "write https://op.example.com/a", id="slash after a path"),
        pytest.param("https://op.example.com?a=b", "no query", id="query"),
        pytest.param("https://op.example.com?", "no query", id="empty query"),
        pytest.param("https://op.example.com#a", "no fragment", id="fragment"),
        pytest.param("https://me@op.example.com", "no user name", id="user name"),
        pytest.param("https://OP.example.com", "write https://op.example.com", id="upper case host"),
        pytest.param("HTTPS://op.example.com", "write https://op.example.com", id="upper case scheme"),
        pytest.param("https://op.example.com:443", "write https://op.example.com", id="default port"),
        pytest.param("https://op.example.com:port", "is not a URI", id="port that is no number"),
        pytest.param("https://", "must name a host", id="no host"),
        pytest.param("op.example.com", "absolute URI", id="no scheme"),
        pytest.param("ftp://op.example.com", "must be an https URL", id="another scheme"),
        pytest.param("https://bücher.example", "non-ASCII", id="not ASCII"),
        pytest.param('"https://op.example.com\\r\\nX: y"', "no spaces", id="CRLF"),
    ],
)
def test_an_issuer_that_rps_would_spell_otherwise_is_refused(tmp_path: Path, issuer: str, problem: str) -> None:
    key, line, found = the_problem(tmp_path, HEAD.replace("https://op.example.com", issuer))

    assert (key, line) == ("issuer", 1)
    assert problem in found


def test_tls_in_the_server_needs_an_https_issuer(tmp_path: Path) -> None:
    (tmp_path / "pem").touch()

    text = HEAD.replace("https://op.example.com", "http://localhost") + "listen: {tls: {certificate: pem, key: pem}}\n"

    assert the_problem(tmp_path, text) == ("issuer", 1, "must be https because listen.tls is set")


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "pem").touch()

    key, line, found = the_problem(tmp_path, f"{HEAD}listen:\n  tls:\n    certificate: gone.pem\n    key: pem\n")

    assert (key, line) == ("listen.tls.certificate", 8)
    assert "gone.pem does not exist" in found


def test_several_processes_need_a_store_that_they_share(tmp_path: Path) -> None:
    key, _, problem = the_problem(tmp_path, HEAD + "listen: {processes: 2}\n")

    assert key == "listen.processes"
    assert problem == "must be 1, because processes cannot share the store memory:"
    assert load(tmp_path, HEAD.replace('"memory:"', "sqlite:///op.sqlite") + "listen: {processes: 2}\n").listen.processes == 2


@pytest.mark.parametrize(
    "store", ["postgres://db/op", "sqlite://", "sqlite:///", '"sqlite:///:memory:"', "sqlite:///a?mode=ro", "op.sqlite", '""']
)
def test_a_store_that_is_not_there_to_choose_is_refused(tmp_path: Path, store: str) -> None:
    key, line, found = the_problem(tmp_path, HEAD.replace('"memory:"', store))

    assert (key, line) == ("store", 2)
    assert "must be memory:, sqlite:///PATH" in found


# --- users


def test_a_plain_password_is_refused_without_the_benchmark_setting(tmp_path: Path) -> None:
    key, line, found = the_problem(tmp_path, HEAD.replace(f"password_hash: {HASH}", "password: wonderland"))

    assert (key, line) == ("users[0].password", 5)
    assert "users hash" in found
    assert "wonderland" not in found


@pytest.mark.parametrize(
    ("issuer", "host"), [("https://op.example.com", "127.0.0.1"), ("http://localhost:8080", '"::"'), ("http://localhost", "op")]
)
def test_the_benchmark_setting_is_refused_where_others_could_sign_in(tmp_path: Path, issuer: str, host: str) -> None:
    text = HEAD.replace("https://op.example.com", issuer) + f"listen: {{host: {host}}}\nlogin: {{cheap_passwords_for_benchmarks: true}}\n"

    key, line, found = the_problem(tmp_path, text)

    assert (key, line) == ("login.cheap_passwords_for_benchmarks", 7)
    assert "on this machine" in found


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("password_hash: wonderland", id="plain text"),
        pytest.param("password_hash: $2b$12$abcdefghijklmnopqrstuv", id="bcrypt"),
        pytest.param("password_hash: " + HASH.replace("argon2id", "argon2i"), id="argon2i"),
        pytest.param("password_hash: " + HASH[:-1], id="cut off"),
        pytest.param("password_hash: " + HASH + "\n      more", id="something after it"),
        pytest.param("password_hash: " + HASH.replace("m=8,", "m=9999999999,"), id="all the memory there is"),
    ],
)
def test_a_password_hash_that_could_never_match_is_refused(tmp_path: Path, line: str) -> None:
    key, found_line, found = the_problem(tmp_path, HEAD.replace(f"password_hash: {HASH}", line))

    assert (key, found_line) == ("users[0].password_hash", 5)
    assert "users hash" in found


@pytest.mark.parametrize("lines", ["{}", f'{{password_hash: "{HASH}", password: x}}'], ids=["none", "two"])
def test_a_user_has_exactly_one_password(tmp_path: Path, lines: str) -> None:
    text = HEAD.partition("users:")[0] + f"users:\n  - {lines}\n".replace("{", "{username: a, ", 1)

    assert the_problem(tmp_path, text) == ("users[0]", 4, "must have exactly one of password_hash, password")


def test_a_user_name_that_is_there_twice_is_refused_even_when_typed_differently(tmp_path: Path) -> None:
    text = HEAD.replace("alice", "jürgen") + f"  - username: ju\u0308rgen\n    password_hash: {HASH}\n"

    key, line, found = the_problem(tmp_path, text)

    assert (key, line) == ("users[1].username", 6)
    assert "users[0]" in found


@pytest.mark.parametrize("username", ['""', '" alice"', '"a\\nb"', "a" * 256, "7", "null"])
def test_a_user_name_that_nobody_could_type_is_refused(tmp_path: Path, username: str) -> None:
    assert the_problem(tmp_path, HEAD.replace("alice", username))[:2] == ("users[0].username", 4)


@pytest.mark.parametrize(
    ("claim", "problem"),
    [
        ("sub: root", "set by the OP itself"),
        ("sid: x", "set by the OP itself"),
        ("email_verified: yes", "true or false"),
        ("phone_number: 49301234", "must be text"),
        ("name:", "must be text"),
        ("address: Main Street 1", "must be a section"),
        ("updated_at: 2024-01-01", "must be a number"),
    ],
)
def test_a_claim_of_the_wrong_kind_is_refused(tmp_path: Path, claim: str, problem: str) -> None:
    key, line, found = the_problem(tmp_path, f"{HEAD}    claims:\n      {claim}\n")

    assert (key, line) == (f"users[0].claims.{claim.partition(':')[0]}", 7)
    assert problem in found


def test_a_file_without_users_is_refused(tmp_path: Path) -> None:
    assert the_problem(tmp_path, HEAD.partition("users:")[0] + "users: []\n") == ("users", 3, "must have at least 1 entry")


# --- clients: the same checks that dynamic registration makes


@pytest.mark.spec("REG-13")
def test_a_bad_uri_is_told_by_its_place_in_the_list_and_its_line(tmp_path: Path) -> None:
    text = (
        HEAD
        + CLIENT
        + dedent("""\
          - client_id: rp2
            client_secret: of-the-rp2
            redirect_uris:
              - https://rp2.example.com/cb
              - https://rp2.example.com/cb#here
        """)
        .replace("\n", "\n  ")
        .join(["  ", ""])
        .rstrip(" ")
    )

    assert the_problem(tmp_path, text) == ("clients[1].redirect_uris[1]", 14, "must have no fragment (#)")


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        pytest.param("http://rp.example.com/cb", "allow_http", id="http"),
        pytest.param("https://rp.example.com/cb#", "no fragment", id="empty fragment"),
        pytest.param("/cb", "absolute", id="relative"),
        pytest.param("//rp.example.com/cb", "absolute", id="no scheme"),
        pytest.param("https:/cb", "name a host", id="no host"),
        pytest.param("https://me:pw@rp.example.com/cb", "no user name", id="user name"),
        pytest.param("https://rp.example.com\\\\@evil.example", "backslashes", id="backslash"),
        pytest.param("https://rp.example.com/a b", "no spaces", id="space"),
        pytest.param("https://rp.example.com/\\r\\nSet-Cookie: a=b", "no spaces", id="CRLF"),
        pytest.param("https://bücher.example/cb", "non-ASCII", id="not ASCII"),
        pytest.param("https://rp.example.com:99999/cb", "is not a URI", id="no such port"),
        pytest.param("https://[::1/cb", "is not a URI", id="an open bracket"),
        pytest.param("javascript:alert(1)", "scheme javascript:", id="javascript"),
        pytest.param("JavaScript:alert(1)", "scheme javascript:", id="JavaScript"),
        pytest.param("data:text/html,x", "scheme data:", id="data"),
        pytest.param("vbscript:x", "scheme vbscript:", id="vbscript"),
        pytest.param("file:///etc/passwd", "scheme file:", id="file"),
        pytest.param("com.example.app:/cb", "application_type: native", id="an app's scheme"),
    ],
)
@pytest.mark.parametrize("key", ["redirect_uris", "post_logout_redirect_uris"])
@pytest.mark.spec("REG-04", "REG-07", "REG-13")
def test_a_uri_that_the_browser_must_not_be_sent_to_is_refused(tmp_path: Path, key: str, uri: str, problem: str) -> None:
    good = "redirect_uris: [https://rp.example.com/cb]" if key != "redirect_uris" else "client_name: RP"

    found = of_client(tmp_path, "client_secret: x", good, f'{key}: ["{uri}"]')

    assert [one[:2] for one in found] == [(f"clients[0].{key}[0]", 10)]
    assert problem in found[0][2]


@pytest.mark.parametrize("host", ["localhost:8081", "127.0.0.1", "[::1]:9000"])
@pytest.mark.spec("REG-04")
def test_http_is_allowed_to_this_machine(tmp_path: Path, host: str) -> None:
    text = HEAD + CLIENT.replace("https://rp.example.com", f'"http://{host}').replace("/cb]", '/cb"]')

    assert load(tmp_path, text).clients[0].redirect_uris == (f"http://{host}/cb",)


@pytest.mark.spec("REG-04")
def test_http_to_other_hosts_is_allowed_for_a_confidential_client_on_request(tmp_path: Path) -> None:
    text = HEAD + CLIENT.replace("https:", "http:") + "    allow_http: true\n    post_logout_redirect_uris: [http://rp.example.com/]\n"

    assert load(tmp_path, text).clients[0].redirect_uris == ("http://rp.example.com/cb",)


@pytest.mark.spec("REG-04")
def test_http_to_other_hosts_is_never_allowed_for_a_public_client(tmp_path: Path) -> None:
    found = of_client(tmp_path, "token_endpoint_auth_method: none", "allow_http: true", "redirect_uris: [http://rp.example.com/cb]")

    assert [one[:2] for one in found] == [("clients[0].redirect_uris[0]", 10)]
    assert "confidential" in found[0][2]


def test_http_is_refused_where_tokens_travel_through_the_browser(tmp_path: Path) -> None:
    found = of_client(
        tmp_path,
        "client_secret: x",
        "redirect_uris: [http://localhost/cb]",
        "response_types: [code, id_token]",
        "grant_types: [authorization_code, implicit]",
    )

    assert [one[:2] for one in found] == [("clients[0].redirect_uris[0]", 9)]


@pytest.mark.spec("REG-05")
def test_a_native_client_may_use_a_scheme_of_its_own(tmp_path: Path) -> None:
    text = HEAD + dedent("""\
        clients:
          - client_id: app
            application_type: native
            token_endpoint_auth_method: none
            redirect_uris: ["com.example.app:/cb", "http://127.0.0.1/cb"]
            post_logout_redirect_uris: ["com.example.app:/bye"]
        """)

    assert load(tmp_path, text).clients[0].is_public


def test_a_native_scheme_that_another_app_may_claim_is_refused(tmp_path: Path) -> None:
    found = of_client(tmp_path, "application_type: native", "client_secret: x", 'redirect_uris: ["myapp:/cb"]')

    assert "named after a domain" in found[0][2]


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        pytest.param("https://other.example.com/fc", "one of the redirect_uris", id="another host"),
        pytest.param("https://rp.example.com:8443/fc", "one of the redirect_uris", id="another port"),
        pytest.param("http://rp.example.com/fc", "must be https", id="another scheme"),
        pytest.param("https://rp.example.com/fc#x", "no fragment", id="fragment"),
        pytest.param("/fc", "absolute", id="relative"),
        pytest.param("javascript:alert(1)", "must be https", id="javascript"),
    ],
)
@pytest.mark.spec("REG-01", "REG-02", "REG-04")
def test_a_frontchannel_logout_uri_must_be_of_the_clients_own_origin(tmp_path: Path, uri: str, problem: str) -> None:
    found = of_client(tmp_path, "client_secret: x", "redirect_uris: [https://rp.example.com/cb]", f"frontchannel_logout_uri: {uri}")

    assert [one[:2] for one in found] == [("clients[0].frontchannel_logout_uri", 10)]
    assert problem in found[0][2]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("frontchannel_logout_uri: https://rp.example.com:443/fc?a=1", id="the default port spelled out, with a query"),
        pytest.param("frontchannel_logout_uri: https://RP.example.com/fc", id="upper case"),
        pytest.param("backchannel_logout_uri: https://other.example.com/bc?a=1", id="back-channel on another host, with a query"),
        pytest.param("post_logout_redirect_uris: [https://other.example.com/bye?a=1]", id="post-logout on another host"),
    ],
)
@pytest.mark.spec("REG-01", "REG-03", "REG-06")
def test_logout_uris_that_the_specifications_allow_are_accepted(tmp_path: Path, line: str) -> None:
    assert load(tmp_path, f"{HEAD}{CLIENT}    {line}\n").clients


@pytest.mark.parametrize("uri", ["https://rp.example.com/bc#x", "/bc", "http://rp.example.com/bc", "ftp://rp.example.com/bc"])
@pytest.mark.spec("REG-02", "REG-04")
def test_a_backchannel_logout_uri_must_be_an_https_url_without_fragment(tmp_path: Path, uri: str) -> None:
    found = of_client(tmp_path, "client_secret: x", "redirect_uris: [https://rp.example.com/cb]", f"backchannel_logout_uri: {uri}")

    assert [one[:2] for one in found] == [("clients[0].backchannel_logout_uri", 10)]


@pytest.mark.parametrize(
    ("lines", "key", "problem"),
    [
        pytest.param([], "client_secret", "is missing", id="no secret"),
        pytest.param(["client_secret: x", "token_endpoint_auth_method: none"], "token_endpoint_auth_method", "without a secret", id="none"),
        pytest.param(["client_secret: x", "client_secret_from: {env: Y}"], "client_secret_from", "cannot be combined", id="two places"),
        pytest.param(["client_secret_from: {env: NOT_SET_IN_TESTS}"], "client_secret_from", "is not set", id="not in the environment"),
        pytest.param(["client_secret_from: {file: gone}"], "client_secret_from", "cannot be read", id="not in its file"),
        pytest.param(["client_secret: x", "token_endpoint_auth_method: client_secret_jwt"], "client_secret", "32 characters", id="short"),
        pytest.param(["token_endpoint_auth_method: private_key_jwt"], "token_endpoint_auth_method", "exactly one of jwks", id="no keys"),
        pytest.param(
            ["token_endpoint_auth_method: private_key_jwt", "jwks: {keys: [{kty: RSA, n: a, e: b, d: c}]}"],
            "jwks", "public keys", id="a private key",
        ),
        pytest.param(["token_endpoint_auth_method: private_key_jwt", "jwks: {keys: []}"], "jwks", "public keys", id="an empty key set"),
        pytest.param(["token_endpoint_auth_method: private_key_jwt", "jwks_uri: http://rp/k"], "jwks_uri", "https", id="keys by http"),
        pytest.param(["client_secret: x", "grant_types: [implicit]"], "grant_types", "authorization_code", id="code without its grant"),
        pytest.param(["client_secret: x", "response_types: [code, id_token]"], "grant_types", "implicit", id="implicit without its grant"),
        pytest.param(["client_secret: x", "response_types: [token]"], "response_types[0]", "'code'", id="no OpenID Connect"),
        pytest.param(["client_secret: x", "id_token_signed_response_alg: none"], "id_token_signed_response_alg", "'RS256'", id="unsigned"),
        pytest.param(
            ["token_endpoint_auth_method: none", "response_types: [id_token]", "grant_types: [implicit]"],
            "response_types", "public client", id="implicit for a public client",
        ),
    ],
)  # fmt: skip
@pytest.mark.spec("REG-13")
def test_a_client_whose_metadata_contradict_themselves_is_refused(
    tmp_path: Path, lines: list[str], key: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET_IN_TESTS", raising=False)

    found = of_client(tmp_path, "redirect_uris: [https://rp.example.com/cb]", *lines)

    assert [one[0] for one in found] == [f"clients[0].{key}"]
    assert problem in found[0][2]


@pytest.mark.parametrize("client_id", ['""', "a b", "bücher", "a" * 256, "7"])
def test_a_client_id_that_session_state_could_not_carry_is_refused(tmp_path: Path, client_id: str) -> None:
    assert the_problem(tmp_path, HEAD + CLIENT.replace("rp\n", f"{client_id}\n", 1))[:2] == ("clients[0].client_id", 7)


def test_a_client_id_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    text = HEAD + CLIENT + CLIENT.removeprefix("clients:\n")

    assert the_problem(tmp_path, text) == ("clients[1].client_id", 10, "is the same as in clients[0]; it must be unique")


def test_a_pairwise_client_has_all_its_redirect_uris_on_one_host(tmp_path: Path) -> None:
    found = of_client(tmp_path, "client_secret: x", "subject_type: pairwise", "redirect_uris: [https://a.example/cb, https://b.example/cb]")

    assert [one[:2] for one in found] == [("clients[0].subject_type", 9)]


# --- dynamic registration


def registration_with_token(tmp_path: Path, token: str) -> ServerSettings:
    (tmp_path / "token").write_text(token + "\n", "utf-8")
    return load(tmp_path, HEAD + "registration: {mode: token, initial_access_token: {file: token}}\n")


def test_the_initial_access_token_is_known_from_any_other(tmp_path: Path) -> None:
    registration = registration_with_token(tmp_path, "t" * 32).registration

    assert registration.is_initial_access_token("t" * 32)
    assert not registration.is_initial_access_token("t" * 31)
    assert not registration.is_initial_access_token("")
    assert not registration.is_initial_access_token("\ud800")


def test_a_changed_initial_access_token_counts_at_once_and_a_lost_one_refuses_everybody(tmp_path: Path) -> None:
    registration = registration_with_token(tmp_path, "t" * 32).registration

    (tmp_path / "token").write_text("u" * 32, "utf-8")
    assert not registration.is_initial_access_token("t" * 32)
    assert registration.is_initial_access_token("u" * 32)
    (tmp_path / "token").unlink()
    assert not registration.is_initial_access_token("u" * 32)


@pytest.mark.parametrize("mode", ["off", "open"])
def test_without_mode_token_nothing_is_an_initial_access_token(tmp_path: Path, mode: str) -> None:
    assert not load(tmp_path, f"{HEAD}registration: {{mode: {mode}}}\n").registration.is_initial_access_token("")


def test_a_short_initial_access_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match=r"registration\.initial_access_token: must have at least 32 characters"):
        registration_with_token(tmp_path, "t" * 31)


def test_an_initial_access_token_that_is_not_there_is_refused(tmp_path: Path) -> None:
    text = HEAD + "registration: {mode: token, initial_access_token: {file: gone}}\n"

    key, line, found = the_problem(tmp_path, text)

    assert (key, line) == ("registration.initial_access_token", 6)
    assert "cannot be read" in found


def test_a_file_of_bytes_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff" * 40)

    assert "is not UTF-8 text" in the_problem(tmp_path, HEAD + "registration: {mode: token, initial_access_token: {file: token}}\n")[2]


@pytest.mark.parametrize("value", ["not base64 at all!", "c2hvcnQ"], ids=["not base64url", "too short"])
def test_bad_secrets_in_the_environment_are_told_without_repeating_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("OP_SECRETS", value)

    key, line, found = the_problem(tmp_path, HEAD + "secrets: {env: OP_SECRETS}\n")

    assert (key, line) == ("secrets.env", 6)
    assert value not in found
