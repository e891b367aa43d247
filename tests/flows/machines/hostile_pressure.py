"""Pressure in place of cleverness: passwords guessed by many at once, and clients that are slow to send and to read."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.flows.machines.hostile_flows import PASSWORDS
from tests.flows.machines.hostile_server import ABUSED, HostileServer
from tests.flows.machines.hostile_values import GUESS

_MAX_ATTEMPTS = 10
_HOST = b"Host: localhost\r\n"
_BEGINNINGS = {
    "silent": b"",
    "slow to send headers": b"GET /login HTTP/1.1\r\n" + _HOST + b"X: ",
    "slow to send a body": b"POST /token HTTP/1.1\r\n"
    + _HOST
    + b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n",
    "slow to send a body that was asked for": b"POST /token HTTP/1.1\r\n"
    + _HOST
    + b"Expect: 100-continue\r\nContent-Length: 60000\r\n\r\n",
    "slow to send a second request": b"GET /health/live HTTP/1.1\r\n" + _HOST + b"\r\nGET /health/live HTTP/1.1\r\n",
    "slow to read": (b"GET /.well-known/openid-configuration HTTP/1.1\r\n" + _HOST + b"\r\n") * 600,
}


def guess_in_parallel(server: HostileServer, guesses: int = 120) -> tuple[str, str]:
    """Guess one user's password from one address by many at once; return what came of it, and what is wrong with that."""
    browser = server.browser("198.51.100.7")
    page = browser.get("/login")
    answers: Counter[int] = Counter()
    texts: set[str] = set()

    def guess(number: int) -> None:
        answer = browser.submit(page, username=ABUSED, password=f"{GUESS} {number}")
        answers[answer.status] += 1
        if answer.status == 403:
            texts.add(_text_without_values(answer.text))

    with ThreadPoolExecutor(24) as threads:
        list(threads.map(guess, range(guesses)))
    stranger = browser.submit(page, username="nobody of this name", password=f"{GUESS} x").status
    elsewhere = server.browser("198.51.100.200")
    known = elsewhere.submit(elsewhere.get("/login"), username="user3", password=PASSWORDS["user3"]).status
    unknown_text = _text_without_name(server, "nobody of this name")
    known_text = _text_without_name(server, "user4")
    note = f"parallel guesses {guesses}: looked at {answers[403]}, refused unread {answers[429]}"
    if set(answers) - {403, 429} or answers[403] > _MAX_ATTEMPTS or not answers[429]:
        return note, "passwords can be guessed in parallel"
    if len(texts) != 1 or unknown_text != known_text or stranger not in (403, 429):
        return note, "a refused sign-in tells whether there is such a user"
    return note, "" if known == 303 else "guesses at one user shut out another"


def _text_without_name(server: HostileServer, name: str) -> str:
    browser = server.browser("198.51.100.99")
    return _text_without_values(browser.submit(browser.get("/login"), username=name, password=f"{GUESS} y").text)


def _text_without_values(page: str) -> str:
    """Return a page without its fields' values: the sealed request is another text each time."""
    return re.sub(r'value="[^"]*"', "", page)


def keep_threads_busy(server: HostileServer, each: int = 40, for_s: float = 12) -> tuple[str, str]:
    """Open many connections of every slow kind; return how long healthy requests took meanwhile, and what is wrong with that."""
    is_over = threading.Event()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(one) for one in _slow_connections(server, each)]
        dripping = threading.Thread(target=_drip, args=(connections, is_over))
        dripping.start()
        took_s, served = [], 0
        until = time.monotonic() + for_s
        try:
            while time.monotonic() < until:
                begun = time.monotonic()
                browser = server.browser(f"203.0.113.{served % 250}")
                answer = browser.submit(browser.get("/login"), username="user5", password=PASSWORDS["user5"])
                took_s.append(time.monotonic() - begun)
                served += answer.status == 303
                time.sleep(0.05)
        except OSError as err:
            return f"slow clients {len(connections)}", f"slow clients keep others out: {err!r}"
        finally:
            is_over.set()
            dripping.join()
    slowest = max(took_s)
    note = f"slow clients {len(connections)}: {served} of {len(took_s)} sign-ins meanwhile, the slowest in {slowest:.2f} s"
    return note, "" if served == len(took_s) and slowest < 8 else "slow clients keep others out"


def _slow_connections(server: HostileServer, each: int) -> Iterator[socket.socket]:
    for beginning in _BEGINNINGS.values():
        for _ in range(each):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(5)
            connection.connect(("127.0.0.1", server.op.port))
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                connection.sendall(beginning)
            yield connection


def _drip(connections: list[socket.socket], is_over: threading.Event) -> None:
    while not is_over.wait(0.5):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(b"a", socket.MSG_DONTWAIT)
