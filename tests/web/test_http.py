from __future__ import annotations

import asyncio
import base64
import gc
import gzip
import html
import json
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import traceback
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fakes.grid_server import GridServer

from airflow_carbon import __version__
from airflow_carbon.exceptions import (
    CarbonError,
    InvalidRequestError,
    SourceAuthError,
    SourceResponseError,
    SourceUnavailableError,
)
from airflow_carbon.hooks.asking import asked_in_time
from airflow_carbon.web.http import Http, close
from airflow_carbon.web.quota import Quota
from airflow_carbon.web.shelf import Shelf

TOKEN = "marker/secret+of=the test"
OK = b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{"a": 1}'


@pytest.fixture
def server() -> Iterator[GridServer]:
    with GridServer() as server:
        yield server


class Scripted:
    """Answer every connection with the same bytes, whatever is asked; the last answer serves for all that follow."""

    def __init__(self, *answers: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.tls = tls
        self.heads: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                stream = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
                with stream:
                    head = b""
                    while b"\r\n\r\n" not in head:
                        head += stream.recv(65536) or b"\r\n\r\n"
                    self.heads.append(head)
                    stream.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])
                    if not self.tls:
                        stream.shutdown(socket.SHUT_WR)
            except OSError:
                connection.close()


def packed(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def uk(server: GridServer, **more: Any) -> Http:
    return Http("uk", server.base("uk"), **{"ceiling": 10.0, **more})


def get(http: Http, path: str = "/intensity", **more: Any) -> Any:
    return asked_in_time(http.get(path, **more))


def scripted(*answers: bytes, **more: Any) -> Any:
    with Scripted(*answers) as service:
        return get(Http("service", service.url, **{"ceiling": 10.0, **more}))


# Where trying again can help, and where not


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "refuse", "half"])
def test_a_failure_that_may_pass_is_tried_again(server: GridServer, fault: str) -> None:
    server.fail("uk", fault, times=2)
    assert get(uk(server))["data"]
    assert server.count("uk") == 3


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "504", "refuse", "half"])
def test_a_failure_that_stays_is_unavailable_after_three_tries(server: GridServer, fault: str) -> None:
    server.fail("uk", fault)
    with pytest.raises(SourceUnavailableError, match=r"^uk: (the connection failed|\d{3} )"):
        get(uk(server))
    assert server.count("uk") == 3


def test_a_service_that_hangs_once_is_tried_again(server: GridServer) -> None:
    server.fail("uk", "hang", times=1)
    assert get(uk(server, ceiling=6.0))["data"]
    assert server.count("uk") == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("400", SourceResponseError),
        ("401", SourceAuthError),
        ("403", SourceAuthError),
        ("404", SourceResponseError),
        ("422", SourceResponseError),
        ("501", SourceResponseError),
        ("html", SourceResponseError),
        ("not_json", SourceResponseError),
        ("huge", SourceResponseError),
    ],
)
def test_what_no_second_try_changes_is_asked_once(server: GridServer, fault: str, error: type[CarbonError]) -> None:
    server.fail("uk", fault, **({"megabytes": 17} if fault == "huge" else {}))
    with pytest.raises(error) as raised:
        get(uk(server))
    assert type(raised.value) is error
    assert str(raised.value).startswith("uk")
    assert server.count("uk") == 1


def test_a_service_that_is_just_starting_is_reached_by_the_second_try(server: GridServer) -> None:
    late = socket.socket()
    late.bind(("127.0.0.1", 0))

    async def meanwhile() -> Any:
        await uk(server).get("/intensity")
        asked = asyncio.create_task(Http("late", f"http://127.0.0.1:{late.getsockname()[1]}", ceiling=8.0).get("/"))
        await asyncio.sleep(0.1)
        late.listen()
        connection, _ = await asyncio.to_thread(late.accept)
        with connection:
            connection.sendall(packed("200 OK", b"[7]"))
            return await asked

    with late:
        assert asked_in_time(meanwhile()) == [7]


def test_a_port_on_which_nobody_listens_is_unavailable() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(SourceUnavailableError, match=r"^nobody: the connection failed \(ConnectError\)$"):
            get(Http("nobody", f"http://127.0.0.1:{nobody.getsockname()[1]}", ceiling=1.0))


def test_a_host_that_accepts_no_connection_is_given_up_in_time() -> None:
    # Two connections that nobody accepts fill its queue: the next one is not even refused.
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(SourceUnavailableError, match=r"^full: no answer (in time|within 1 s)$"):
            get(Http("full", f"http://127.0.0.1:{full.getsockname()[1]}", ceiling=1.0))


def test_what_a_refusal_means_can_be_told_by_who_knows_the_service(server: GridServer) -> None:
    server.fail("uk", "404", body={"error": "no such postcode"})

    def meaning(status: int, words: str) -> CarbonError | None:
        return InvalidRequestError(f"{status}: {words}") if status == 404 else None

    with pytest.raises(InvalidRequestError, match=r"^404: no such postcode$"):
        get(uk(server), meaning=meaning)
    server.heal()
    server.fail("uk", "401")
    with pytest.raises(SourceAuthError):
        get(uk(server), meaning=meaning)


def test_a_refusal_counts_even_where_its_words_break_off() -> None:
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nthis plan has no"
    with pytest.raises(SourceAuthError, match="this plan has no"):
        scripted(answer, OK)


# How long


def test_the_wait_that_a_service_asks_for_is_kept(server: GridServer) -> None:
    server.fail("uk", "429", times=1, retry_after=1)
    get(uk(server, ceiling=10.0))
    first, second = (one.at for one in server.requests)
    assert second - first >= timedelta(seconds=1)


def test_a_wait_can_be_told_as_a_date_by_the_clock_of_the_service(server: GridServer) -> None:
    # The service lives in another year, and asks for two of its seconds; dates have no fractions.
    server.clock = lambda: datetime(2031, 1, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    server.fail("uk", "503", times=1, retry_after=datetime(2031, 1, 1, 12, 0, 1, tzinfo=UTC))
    assert get(uk(server, ceiling=10.0))["data"]
    assert server.count("uk") == 2


@pytest.mark.parametrize("after", [3600, datetime.now(UTC) + timedelta(hours=1)], ids=["in seconds", "as a date"])
def test_a_wait_too_long_ends_at_once_and_closes_the_service_for_all_processes(
    server: GridServer, tmp_path: Path, after: object
) -> None:
    server.fail("uk", "429", times=1, retry_after=after)
    with pytest.raises(SourceUnavailableError, match=r"^uk: 429 .*Too Many Requests"):
        get(uk(server, quota=Quota(100, Shelf(tmp_path))))
    assert server.count("uk") == 1
    # Another process holds objects of its own on the same folder.
    with pytest.raises(
        SourceUnavailableError, match=r"^uk asked to be left alone until \d{4}-\d\d-\d\d \d\d:\d\d UTC$"
    ):
        get(uk(server, quota=Quota(100, Shelf(tmp_path))))
    assert server.count("uk") == 1
    later = Quota(100, Shelf(tmp_path), clock=lambda: datetime.now(UTC).timestamp() + 3605)
    assert get(uk(server, quota=later))["data"]


def test_each_try_counts_against_the_quota(server: GridServer, tmp_path: Path) -> None:
    server.fail("uk", "500", times=1)
    quota = Quota(3, Shelf(tmp_path))
    get(uk(server, quota=quota))
    get(uk(server, quota=quota))
    with pytest.raises(SourceUnavailableError, match=r"^uk: the 3 requests that this connection may make in an hour"):
        get(uk(server, quota=quota))
    assert server.count("uk") == 3


@pytest.mark.parametrize("said", ["soon", "-5", "²", "1e5", "", "9" * 400, "Mon, 99 Foo 2026 00:00:00 GMT", "0x10"])
def test_a_wait_that_nobody_understands_is_as_good_as_none(said: str) -> None:
    refused = (
        b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: " + said.encode() + b"\r\n\r\n"
    )
    assert scripted(refused, OK) == {"a": 1}


@pytest.mark.parametrize(("fault", "options"), [("hang", {}), ("drip", {"seconds": 0.3}), ("slow", {"seconds": 30})])
def test_no_question_takes_longer_than_its_ceiling(server: GridServer, fault: str, options: dict[str, Any]) -> None:
    server.fail("uk", fault, **options)
    with pytest.raises(SourceUnavailableError, match=r"^uk: no answer (in time|within 1 s)$"):
        get(uk(server, ceiling=1.0))
    server.heal()


def test_an_answer_that_drips_is_cut_off_by_the_ceiling_alone(server: GridServer) -> None:
    server.fail("uk", "drip", seconds=0.2)
    with pytest.raises(SourceUnavailableError, match=r"^uk: no answer within 4 s$"):
        get(uk(server, ceiling=4.0))
    assert server.count("uk") == 1
    server.heal()


# What is sent


def test_the_user_agent_names_the_version(server: GridServer) -> None:
    get(uk(server))
    assert server.requests[0].headers_seen["user-agent"] == f"airflow-provider-carbon/{__version__}"
    assert server.requests[0].headers_seen["accept"] == "application/json"


def test_parameters_without_a_value_are_left_out_and_names_may_repeat(server: GridServer) -> None:
    get(uk(server), params={"a": 1, "b": None, "c": "x y"})
    get(uk(server), params=[("a", "1"), ("a", "2"), ("b", None)])
    assert [one.query for one in server.requests] == [{"a": "1", "c": "x y"}, {"a": ["1", "2"]}]


def test_a_token_that_was_copied_with_its_line_break_is_sent_without() -> None:
    with Scripted(OK) as service:
        get(Http("service", service.url, headers={"auth-token": "  token\n"}))
    assert b"\r\nauth-token: token\r\n" in service.heads[0]


@pytest.mark.parametrize("token", ["tok\nen-of-mine", "t\u00f6ken-of-mine", "tok\x00en-of-mine", "\u2603token-of-mine"])
def test_a_token_that_no_request_can_carry_is_refused_without_its_words(server: GridServer, token: str) -> None:
    with pytest.raises(SourceAuthError, match="a character that cannot be sent") as raised:
        get(uk(server), headers={"auth-token": token})
    assert "en-of-mine" not in "".join(traceback.format_exception(raised.value))
    assert server.count() == 0


@pytest.mark.parametrize(
    "address",
    ["", "host.example", "ftp://host.example", "https://", "https://host:99999", "https://h ost", "https://[::1",
     "https://host?x=1", "https://host/#top", "https://:443", "https://host:0", "https://host:http"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"service: '.*' is no address; write for example https://"):
        Http("service", address)


@pytest.mark.parametrize("address", ["https://me:hunter2@host.example", "ftp://me:hunter2@host.example"])
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="must hold no user and no password") as raised:
        Http("service", address)
    assert "hunter2" not in str(raised.value)


def test_an_address_that_only_a_request_finds_wrong_is_an_invalid_request() -> None:
    with pytest.raises(InvalidRequestError, match="is no address"):
        get(Http("service", "https://\u0378.example", ceiling=1.0))


# Connections


def test_connections_are_used_again(server: GridServer) -> None:
    async def ten_times() -> None:
        http, other = uk(server), uk(server)
        for _ in range(5):
            await http.get("/intensity")
            await other.get("/intensity")

    asked_in_time(ten_times())
    assert (server.count("uk"), server.connections) == (10, 1)


def test_fifty_first_askers_of_a_fresh_process_all_get_their_answer(server: GridServer) -> None:
    # Fresh, and one after the other: most ask while the modules that they need are still being imported.
    code = (
        "import asyncio, sys\n"
        "from airflow_carbon.web.http import Http\n"
        "http = Http('uk', sys.argv[1])\n"
        "async def one(number):\n"
        "    await asyncio.sleep(number / 100)\n"
        "    return await http.get('/intensity')\n"
        "async def all(): return await asyncio.gather(*map(one, range(50)))\n"
        "print(len([one['data'] for one in asyncio.run(all())]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", code, server.base("uk")], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("50\n", "")


def test_event_loops_that_end_leave_no_connection_behind(server: GridServer) -> None:
    def open_files() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    http = uk(server)
    asyncio.run(http.get("/intensity"))
    server._http.changed.acquire()
    server._http.changed.wait_for(lambda: not server._http.open, 10)
    server._http.changed.release()
    before = open_files()
    for _ in range(10):
        # Without a word about closing: a loop that ends is enough.
        asyncio.run(http.get("/intensity"))
        with server._http.changed:
            assert server._http.changed.wait_for(lambda: not server._http.open, 10)
    assert open_files() <= before


def test_connections_that_were_closed_are_opened_anew(server: GridServer) -> None:
    async def twice() -> None:
        for _ in range(2):
            await uk(server).get("/intensity")
            await close()

    asyncio.run(twice())
    assert server.connections == 2


def test_a_forked_process_opens_connections_of_its_own(server: GridServer) -> None:
    async def parent() -> int:
        await uk(server).get("/intensity")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if asyncio.run(uk(server).get("/intensity"))["data"] else 2
            finally:
                os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        await uk(server).get("/intensity")
        return os.waitstatus_to_exitcode(status)

    assert asked_in_time(parent()) == 0
    assert (server.count("uk"), server.connections) == (3, 2)


def test_an_asker_who_leaves_takes_no_other_along(server: GridServer) -> None:
    server.fail("uk", "hang", times=1)

    async def leave() -> Any:
        # Long enough for a machine that stands still for seconds.
        leaving = asyncio.create_task(uk(server, ceiling=30.0).get("/intensity"))
        while server.count("uk") == 0 and not leaving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        staying = asyncio.create_task(uk(server, ceiling=30.0).get("/intensity"))
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asked_in_time(leave())["data"]
    assert server.count("uk") == 2


# Redirects


def test_a_redirect_on_the_same_host_is_followed(server: GridServer) -> None:
    server.fail("uk", "redirect", times=1)
    assert get(uk(server))["data"]
    assert server.count("uk") == 2


def test_a_redirect_to_another_host_is_refused_before_anything_is_sent_there(server: GridServer) -> None:
    with GridServer() as other:
        # Another port, another name, and both.
        mine, others = server.base("uk"), other.base("uk")
        for to in (others, mine.replace("127.0.0.1", "localhost"), others.replace("127.0.0.1", "localhost")):
            server.fail("uk", "redirect", times=1, to=to)
            with pytest.raises(
                SourceResponseError, match=r"^uk redirects to http://(127.0.0.1|localhost):\d+; name it"
            ):
                get(uk(server, headers={"auth-token": TOKEN}))
        assert (other.count(), server.count()) == (0, 3)


@pytest.mark.parametrize("to", ["ftp://127.0.0.1/x", "https://other.example/x", "//other.example/x", "file:///etc/x"])
def test_a_redirect_out_of_the_web_is_refused(to: str) -> None:
    with pytest.raises(SourceResponseError, match=r"^service redirects to "):
        scripted(packed("302 Found", b"", f"Location: {to}"))


def test_a_redirect_in_a_circle_ends() -> None:
    with Scripted(packed("302 Found", b"", "Location: /again")) as service:
        with pytest.raises(SourceResponseError, match=r"^service redirects more than 3 times$"):
            get(Http("service", service.url))
        assert len(service.heads) == 4


def test_no_redirect_leads_out_of_an_encrypted_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with Scripted(OK) as bare, Scripted(packed("200 OK", b"[1]"), tls=tls) as safe:
        assert get(Http("service", safe.url)) == [1]
        safe.answers = [packed("301 Moved", b"", f"Location: {safe.url.replace('https', 'http')}/x")]
        with pytest.raises(SourceResponseError, match=r"^service redirects to http://127.0.0.1:\d+; name it"):
            get(Http("service", safe.url))
        safe.answers = [packed("301 Moved", b"", f"Location: {bare.url}/x")]
        with pytest.raises(SourceResponseError, match=r"^service redirects to "):
            get(Http("service", safe.url))
        assert bare.heads == []


def _certificate(folder: Path) -> Path:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "certificate.pem"
    file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem) + private)
    return file


# Answers that are none


def test_an_empty_answer_is_none_and_may_be_asked_for_again(server: GridServer) -> None:
    server.fail("uk", "no_body", times=1)
    assert get(uk(server)) is None
    server.fail("uk", "empty", times=1)
    assert get(uk(server)) == {}
    server.forget()
    for fault in ("no_body", "empty"):
        server.fail("uk", fault, times=1)
    assert get(uk(server), empty_is_transient=True)["data"]
    assert server.count("uk") == 3


def test_an_answer_that_stays_empty_is_unavailable_where_it_must_not_be(server: GridServer) -> None:
    server.fail("uk", "empty")
    with pytest.raises(SourceUnavailableError, match=r"^uk: an empty answer$"):
        get(uk(server), empty_is_transient=True)


def test_a_page_in_place_of_an_answer_is_told_by_its_words(server: GridServer) -> None:
    server.fail("uk", "html")
    expected = "^uk: the answer is no JSON; it begins 'Welcome Sign in to the network.'$"
    with pytest.raises(SourceResponseError, match=expected):
        get(uk(server))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_answer_is_not_taken_in(server: GridServer, chunked: bool) -> None:
    server.fail("uk", "huge", megabytes=5, chunked=chunked)
    with pytest.raises(SourceResponseError, match=r"^uk: the answer is larger than 4 MiB$"):
        get(uk(server))


def test_a_small_answer_that_unpacks_into_a_huge_one_is_not_taken_in() -> None:
    bomb = packed("200 OK", gzip.compress(b"0" * 100_000_000), "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        with pytest.raises(SourceResponseError, match=r"^service: the answer is larger than 4 MiB$"):
            scripted(bomb)
        # A piece of 4 MiB, and the body that it is added to.
        assert tracemalloc.get_traced_memory()[1] < 15_000_000
    finally:
        tracemalloc.stop()


def test_a_huge_refusal_is_read_no_farther_than_its_first_words() -> None:
    bomb = gzip.compress(b"no such zone " + b" " * 50_000_000)
    with pytest.raises(SourceResponseError, match=r"^service refuses /intensity \(400\): no such zone$"):
        scripted(packed("400 Bad Request", bomb, "Content-Encoding: gzip"))


def test_a_packed_answer_is_unpacked() -> None:
    body = gzip.compress(json.dumps({"rows": list(range(50_000))}).encode())
    assert scripted(packed("200 OK", body, "Content-Encoding: gzip"))["rows"][-1] == 49_999


@pytest.mark.parametrize("coding", ["br", "zstd", "deflate", "gzip, gzip"])
def test_a_packing_that_nobody_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(SourceResponseError, match=f"packed as '{coding}', which was not asked for"):
        scripted(packed("200 OK", zlib.compress(b"{}"), f"Content-Encoding: {coding}"))


def test_an_answer_that_is_not_packed_as_it_says_is_wrong() -> None:
    with pytest.raises(SourceResponseError, match=r"^service: the answer cannot be unpacked$"):
        scripted(packed("200 OK", b'{"a": 1}', "Content-Encoding: gzip"))


@pytest.mark.parametrize("body", [b"[" * 100_000, b"1" * 5_000, b"\xff\xfe\x00", b"NaN,", b"{'a': 1}"])
def test_what_json_cannot_hold_is_a_wrong_answer(body: bytes) -> None:
    with pytest.raises(SourceResponseError, match=r"^service: the answer is no JSON"):
        scripted(packed("200 OK", body))


# Secrets, and words that do harm


def _basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


@pytest.mark.parametrize("status", ["200 OK", "401 No", "404 None", "503 Later"])
@pytest.mark.parametrize(
    ("header", "said"),
    [
        (TOKEN, json.dumps({"error": f"bad token {TOKEN}"})),
        (TOKEN, json.dumps({"reason": {"given": TOKEN}}).replace("/", "\\/")),
        (f"Bearer {TOKEN.replace(' ', '')}", f"<p>Authorization: Bearer {TOKEN.replace(' ', '')}</p>"),
        ("a<b>&secret", html.escape("you sent a<b>&secret")),
        (TOKEN, f"/login?token={quote(TOKEN, safe='')}"),
        ('mark"er-secret', 'half a document: {"error": "mark\\"er-secret'),
        (_basic("marker secret"), "no user me with password marker secret"),
        (_basic("marker secret"), _basic("marker secret")),
    ],
)
def test_a_service_that_repeats_the_credentials_is_not_quoted(
    status: str, header: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = packed(status, said.encode() if "200" not in status else b"~" + said.encode())
    with pytest.raises(CarbonError) as raised:
        scripted(answer, headers={"Authorization": header}, ceiling=8.0)
    told = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "***" in told
    assert "secret" not in told
    assert header not in told


def test_the_words_of_a_service_are_one_short_line() -> None:
    said = "no\r\n\x1b[31mforged: line\x00\u202e " + "word " * 500
    with pytest.raises(SourceResponseError) as raised:
        scripted(packed("400 Bad", json.dumps({"message": said}).encode()))
    words = str(raised.value)
    assert words.startswith("service refuses /intensity (400): no [31mforged: line word word")
    assert words.isprintable()
    assert words.endswith("...")
    assert len(words.partition("(400): ")[2]) == 200


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"error": "a", "message": "b"}, "a; b"),
        ({"error": {"code": 1}}, '{"code": 1}'),
        ({"detail": [{"loc": ["zone"]}]}, '[{"loc": ["zone"]}]'),
        ({"title": "T", "detail": "D"}, "D; T"),
        ({"error": None, "other": "é"}, '{"error": null, "other": "é"}'),
        (["error"], '["error"]'),
        ("error", "error"),
        (7, "7"),
        ("", "no reason given"),
    ],
)
def test_what_a_service_says_is_found_wherever_it_says_it(said: object, told: str) -> None:
    with pytest.raises(SourceResponseError) as raised:
        scripted(packed("400 Bad", json.dumps(said).encode()))
    assert str(raised.value) == f"service refuses /intensity (400): {told}"
