"""WattTime's token: one login for everybody on a host, and nothing of it in anybody's sight."""

from __future__ import annotations

import asyncio
import base64
import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fakes.grid_server import GridServer
from fakes.mutated import mutated
from hypothesis import given

from airflow_carbon.exceptions import CarbonError, SourceAuthError, SourceResponseError, SourceUnavailableError
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.sources.places import Places
from airflow_carbon.sources.watttime import WattTime
from airflow_carbon.sources.watttime_token import Token, read_token
from airflow_carbon.web.http import Http
from airflow_carbon.web.shelf import Shelf

MINUTES = 60.0
USER, PASSWORD = "marker-user-5d1c", "marker-password-77aa"
#: What a process does that finds itself on a host with a shelf: prints the token's last part, or the error.
PROCESS = """
import sys
from pathlib import Path
url, folder, user, password, blocked = sys.argv[1:]
if blocked:
    sys.modules[blocked] = None
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.web.http import Http
from airflow_carbon.web.shelf import Shelf
from airflow_carbon.sources.watttime_token import Token
print(asked_in_time(Token(Http("watttime", url), user, password, Shelf(Path(folder))).current()))
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Host:
    """A host with a shelf, and a server that counts its logins."""

    def __init__(self, server: GridServer, folder: Path) -> None:
        self.server = server
        self.shelf = Shelf(folder)
        self.clock = Clock()

    def token(self, password: str = PASSWORD, *, shared: bool = True) -> Token:
        http = Http("watttime", self.server.base("wt"))
        return Token(http, USER, password, self.shelf if shared else None, self.clock)

    def process(self, blocked: str = "") -> str:
        """Take the token in a process of its own."""
        arguments = [self.server.base("wt"), str(self.shelf.folder), USER, PASSWORD, blocked]
        done = subprocess.run([sys.executable, "-c", PROCESS, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def logins(self) -> int:
        return self.server.count("wt", "/login")

    def on_disk(self) -> bytes:
        return b"\n".join(file.read_bytes() for file in self.shelf.folder.iterdir())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with GridServer() as server:
        server.wt_user, server.wt_password = USER, PASSWORD
        yield Host(server, tmp_path / "shelf")


def taken(token: Token, refused: str = "") -> str:
    return asked_in_time(token.current(refused))


def test_a_token_is_used_until_it_is_25_minutes_old(host: Host) -> None:
    token = host.token(shared=False)
    first = taken(token)
    host.clock.now += 25 * MINUTES - 1
    assert taken(token) == first
    host.clock.now += 1
    assert taken(token) != first
    assert host.logins == 2


def test_a_clock_that_was_set_back_means_a_new_login(host: Host) -> None:
    token = host.token(shared=False)
    first = taken(token)
    host.clock.now -= 1
    assert taken(token) != first


def test_user_and_password_are_sent_the_basic_way(host: Host) -> None:
    assert host.server.knows_token(taken(host.token()))
    [login] = host.server.requests
    assert (login.path, login.headers_seen["authorization"]) == ("/login", "Basic <hidden>")


@pytest.mark.parametrize("shared", [True, False])
def test_many_who_ask_at_once_log_in_once(host: Host, shared: bool) -> None:
    token = host.token(shared=shared)

    async def everyone() -> set[str]:
        return set(await asyncio.gather(*(token.current() for _ in range(50))))

    assert len(asked_in_time(everyone())) == 1
    assert host.logins == 1


def test_many_connections_of_one_loop_log_in_once(host: Host) -> None:
    async def everyone() -> set[str]:
        return set(await asyncio.gather(*(host.token().current() for _ in range(8))))

    assert len(asked_in_time(everyone())) == 1
    assert host.logins == 1


def test_who_is_cancelled_does_not_take_the_login_from_the_others(host: Host) -> None:
    host.server.fail("wt", "slow", seconds=0.5, path="/login")
    token = host.token()

    async def two() -> str:
        first, second = asyncio.create_task(token.current()), asyncio.create_task(token.current())
        # Both are under way: the login takes longer than this.
        await asyncio.sleep(0.1)
        first.cancel()
        return await second

    assert host.server.knows_token(asked_in_time(two()))
    assert host.logins == 1


def test_a_token_serves_one_event_loop_after_another(host: Host) -> None:
    token = host.token()
    assert taken(token) == taken(token)
    assert host.logins == 1


def test_a_refused_token_is_given_to_nobody_any_more(host: Host) -> None:
    token, other = host.token(), host.token()
    first = taken(token)
    assert taken(other) == first
    second = taken(token, refused=first)
    assert second != first
    assert taken(token) == second
    # The other one learns of it when the service refuses it, and finds the new one there.
    assert taken(other, refused=first) == second
    assert host.logins == 2


def test_many_whose_token_is_refused_at_once_log_in_once(host: Host) -> None:
    token = host.token()
    first = taken(token)

    async def everyone() -> set[str]:
        return set(await asyncio.gather(*(token.current(refused=first) for _ in range(20))))

    assert first not in asked_in_time(everyone())
    assert host.logins == 2


def test_who_asks_in_the_very_moment_in_which_a_login_ends_logs_in_no_more(host: Host) -> None:
    token = host.token(shared=False)
    first = taken(token)

    async def one_in_each_turn_of_the_loop() -> set[str]:
        asked = [asyncio.create_task(token.current(refused=first))]
        while not asked[0].done():
            asked.append(asyncio.create_task(token.current(refused=first)))
            await asyncio.sleep(0)
        return set(await asyncio.gather(*asked))

    assert len(asked_in_time(one_in_each_turn_of_the_loop())) == 1
    assert host.logins == 2


# Between processes ----------------------------------------------------------------------------------------------------


def test_processes_that_come_at_once_and_one_that_comes_later_log_in_once(host: Host) -> None:
    with ThreadPoolExecutor() as pool:
        tokens = set(pool.map(lambda _: host.process(), range(3)))
    tokens.add(host.process())
    assert len(tokens) == 1
    assert host.logins == 1


def test_without_encryption_nothing_is_handed_over_and_each_process_logs_in(host: Host) -> None:
    assert host.process("cryptography.fernet") != host.process("cryptography.fernet")
    assert host.logins == 2
    assert b"sealed" not in host.on_disk()


def test_a_token_is_handed_over_only_while_it_is_young(host: Host) -> None:
    first = taken(host.token())
    host.clock.now += 25 * MINUTES - 1
    assert taken(host.token()) == first
    host.clock.now += 1
    assert taken(host.token()) != first
    assert host.logins == 2


def test_nothing_on_disk_can_be_read_without_the_password(host: Host) -> None:
    token = taken(host.token())
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    kept = host.on_disk()
    assert b"sealed" in kept
    for secret in (token, USER, PASSWORD, basic):
        for written in (
            secret.encode(),
            secret.encode().hex().encode(),
            base64.b64encode(secret.encode()).rstrip(b"="),
        ):
            assert written not in kept
    assert {oct(file.stat().st_mode & 0o777) for file in host.shelf.folder.iterdir()} == {"0o600"}


def test_another_password_opens_nothing_and_logs_in(host: Host) -> None:
    first = taken(host.token())
    host.server.wt_password = "another-password"
    second = taken(host.token("another-password"))
    assert second != first
    assert taken(host.token("another-password")) == second
    assert host.logins == 2


def test_two_sealed_by_one_password_on_two_hosts_share_no_key(host: Host, tmp_path: Path) -> None:
    taken(host.token())
    other = Host(host.server, tmp_path / "other")
    taken(other.token())
    assert host.shelf.read("token")["salt"] != other.shelf.read("token")["salt"]
    host.shelf.write("token", host.shelf.read("token") | {"sealed": other.shelf.read("token")["sealed"]})
    taken(host.token())
    assert host.logins == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: {},
        lambda kept: {"salt": kept["salt"]},
        lambda kept: kept | {"sealed": kept["sealed"][:-9]},
        lambda kept: kept | {"sealed": kept["sealed"].swapcase()},
        lambda kept: kept | {"sealed": None},
        lambda kept: kept | {"sealed": "\u00e4"},
        lambda kept: kept | {"salt": "00" * 16},
        lambda kept: kept | {"salt": "zz" * 16},
        lambda kept: kept | {"salt": 7},
        lambda kept: None,
    ],
)
def test_what_cannot_be_opened_means_one_new_login(host: Host, damage: Callable[[Any], Any]) -> None:
    first = taken(host.token())
    kept = damage(host.shelf.read("token"))
    if kept is None:
        host.shelf.remove("token")
    else:
        host.shelf.write("token", kept)
    second = taken(host.token())
    assert second != first
    assert taken(host.token()) == second
    assert host.logins == 2


def test_a_process_that_lives_long_reads_what_others_sealed_under_a_new_salt(host: Host) -> None:
    long_lived = host.token()
    first = taken(long_lived)
    host.shelf.remove("token")
    second = taken(host.token())
    assert taken(long_lived, refused=first) == second
    assert host.logins == 2


def test_where_nothing_can_be_written_each_one_logs_in(host: Host, tmp_path: Path) -> None:
    (tmp_path / "shelf").write_text("a file stands where the folder belongs")
    assert taken(host.token()) != taken(host.token())
    assert host.logins == 2


# A login that fails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "body"), [("403", "Forbidden"), ("403", None), ("401", "Jwt is missing")])
def test_a_rejected_login_says_so_in_one_sentence(host: Host, status: str, body: str | None) -> None:
    host.server.fail("wt", status, path="/login", **({} if body is None else {"body": body}))
    with pytest.raises(SourceAuthError) as raised:
        taken(host.token())
    assert str(raised.value) == (
        f"watttime refuses this user and password ({status}); correct them in the connection, or reset the password "
        "at WattTime"
    )
    assert host.logins == 1


def test_a_login_that_failed_is_not_repeated_by_others_for_ten_seconds(host: Host) -> None:
    with pytest.raises(SourceAuthError):
        taken(host.token("wrong"))
    host.clock.now += 9
    with pytest.raises(SourceAuthError, match="refuses this user and password"):
        taken(host.token("wrong"))
    assert host.logins == 1
    host.clock.now += 2
    with pytest.raises(SourceAuthError):
        taken(host.token("wrong"))
    assert host.logins == 2


def test_a_corrected_password_is_tried_at_once(host: Host) -> None:
    with pytest.raises(SourceAuthError):
        taken(host.token("wrong"))
    assert host.server.knows_token(taken(host.token()))


@pytest.mark.parametrize("shared", [True, False])
def test_many_whose_login_fails_hear_of_it_after_one_try(host: Host, shared: bool) -> None:
    token = host.token("wrong", shared=shared)

    async def everyone() -> list[Any]:
        return await asyncio.gather(*(token.current() for _ in range(20)), return_exceptions=True)

    assert {type(one) for one in asked_in_time(everyone())} == {SourceAuthError}
    assert host.logins == 1


def test_too_many_logins_are_told_without_the_password(host: Host) -> None:
    body = f"Too many requests of {USER} with {PASSWORD}"
    host.server.fail("wt", "429", path="/login", retry_after=3600, body=body)
    with pytest.raises(SourceUnavailableError, match="429 Too many requests of") as raised:
        taken(host.token())
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("fault", ["html", "not_json", "empty", "no_body", "404"])
def test_an_answer_without_a_token_asks_whether_the_address_is_right(host: Host, fault: str) -> None:
    host.server.fail("wt", fault, path="/login")
    with pytest.raises(
        SourceResponseError, match=r"/wt/login answers with no token; does the address lead to WattTime"
    ):
        taken(host.token())


@pytest.mark.parametrize("token", [None, "", 7, "two words", "line\r\nX-Header: 1", "\u00e4", "x" * 20_000], ids=repr)
def test_a_token_that_no_header_can_carry_is_none(token: Any) -> None:
    with pytest.raises(SourceResponseError, match="answers with no token"):
        read_token({"token": token}, "https://host.example/login")


@given(mutated({"token": "header.marker-payload.signature"}))
def test_a_mutated_login_is_refused_or_a_token(payload: Any) -> None:
    try:
        said = read_token(payload, "https://host.example/login")
    except SourceResponseError as error:
        said = str(error)
    assert said == "header.marker-payload.signature" or "marker" not in said


# In nobody's sight ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cut_short() -> Iterator[str]:
    """Serve a login whose JSON ends in the middle of the token, as a proxy that cuts would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"token":"marker-token-e1f0'
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_token_cut_short_appears_in_no_error_and_not_behind_it(cut_short: str, tmp_path: Path) -> None:
    with pytest.raises(SourceResponseError, match="answers with no token") as raised:
        taken(Token(Http("watttime", cut_short), USER, PASSWORD, Shelf(tmp_path)))
    error: BaseException | None = raised.value
    while error is not None:
        assert "marker" not in str(error)
        error = error.__cause__ or error.__context__


def test_neither_messages_nor_reprs_nor_logs_nor_files_hold_a_secret(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_carbon.core.location import Location

    caplog.set_level(logging.DEBUG)
    http = Http("watttime", host.server.base("wt"))
    token = Token(http, USER, PASSWORD, host.shelf, host.clock)
    source = WattTime(http, Places(host.shelf), token)
    said: list[str] = []
    tokens: set[str] = {taken(token)}

    def ask(place: str) -> None:
        now = host.server.clock()
        try:
            asked_in_time(source.forecast(Location.parse(place), now=now, until=now))
        except CarbonError as error:
            said.extend(traceback.format_exception(error))

    ask("39.7,-105.0")
    ask("zone:NOWHERE")
    [known] = tokens
    for status in ("400", "422", "401", "403"):
        host.server.heal()
        body = f"Bearer {known} is no good" if status in ("400", "422") else "Forbidden"
        host.server.fail("wt", status, path="/v3/forecast", body=body)
        ask("zone:DE")
        tokens.add(taken(token))
    for status in ("400", "401", "403"):
        host.server.heal()
        host.server.expire_tokens()
        host.clock.now += 60 * MINUTES
        host.server.fail("wt", status, path="/login", body=f"{USER}:{PASSWORD}")
        ask("zone:DE")
    assert len(said) > 8
    assert len(tokens) > 1
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    shown = "\n".join([*said, caplog.text, repr(token), repr(source), host.on_disk().decode()])
    assert "*** is no good" in shown
    for secret in (*tokens, PASSWORD, basic):
        assert secret not in shown
