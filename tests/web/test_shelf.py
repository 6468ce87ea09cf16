from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.web.shelf import BRIEFLY, KEPT_SECONDS, Shelf

FORTY_ONE_DAYS = KEPT_SECONDS + 86_400


def in_a_process(work: Callable[[], object]) -> int:
    """Let a forked process do some work, and give its id; its exit code is 0 where the work raised nothing."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(code)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def until(true: Callable[[], bool]) -> None:
    """Wait for another process; far longer than it ever takes."""
    for _ in range(3_000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came true")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "cache" / "one")


@pytest.fixture
def stopped(shelf: Shelf, tmp_path: Path) -> Iterator[int]:
    """Give a process that was stopped while it held a lock."""

    def hold() -> None:
        with shelf.alone_briefly("zone"):
            (tmp_path / "held").touch()
            time.sleep(600)

    child = in_a_process(hold)
    until((tmp_path / "held").exists)
    os.kill(child, signal.SIGSTOP)
    yield child
    os.kill(child, signal.SIGKILL)
    ended(child)


def test_a_document_is_read_as_it_was_written(shelf: Shelf) -> None:
    assert shelf.read("zone") is None
    shelf.write("zone", {"a": [0.1, 1e-300, None], "b": "ü"})
    assert Shelf(shelf.folder).read("zone") == {"a": [0.1, 1e-300, None], "b": "ü"}
    shelf.write("zone", {"a": 2})
    assert shelf.read("zone") == {"a": 2}
    shelf.remove("zone")
    shelf.remove("zone")
    assert shelf.read("zone") is None


def test_nothing_is_made_before_the_first_document(shelf: Shelf) -> None:
    shelf.read("zone")
    shelf.remove("zone")
    shelf.sweep()
    assert not shelf.folder.exists()


def test_folder_and_files_are_for_this_user_alone(shelf: Shelf) -> None:
    before = os.umask(0)
    try:
        shelf.write("zone", {})
        with shelf.alone_briefly("zone"):
            pass
    finally:
        os.umask(before)
    assert mode(shelf.folder) == 0o700
    assert {file.suffix: mode(file) for file in shelf.folder.iterdir()} == {".json": 0o600, ".lock": 0o600}


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "/etc/passwd", "..", ".", "", "a/b", "a\x00b", "é\u2603\U0001f600", "x" * 5_000, "a\nb",
     "\ud800"],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(shelf: Shelf, name: str) -> None:
    shelf.write(name, {"is": "mine"})
    assert shelf.read(name) == {"is": "mine"}
    with shelf.alone_briefly(name):
        pass
    files = list(shelf.folder.iterdir())
    assert sorted(file.suffix for file in files) == [".json", ".lock"]
    readable = set(string.ascii_letters + string.digits + "-.")
    assert all(len(file.name) < 100 and set(file.name) <= readable for file in files)


@given(st.lists(st.text(), unique=True, min_size=2, max_size=8))
def test_names_that_differ_lie_apart(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    for number, name in enumerate(names):
        shelf.write(name, {"number": number})
    assert [shelf.read(name) for name in names] == [{"number": number} for number in range(len(names))]


@pytest.mark.parametrize("damage", [b"", b'{"a": 1', b"[1]", b"\xff\x00", b"null", b"[" * 100_000, b"9" * 5_000])
def test_a_damaged_document_is_none_and_can_be_written_anew(shelf: Shelf, damage: bytes) -> None:
    shelf.write("zone", {"a": 1})
    (file,) = shelf.folder.iterdir()
    file.write_bytes(damage)
    assert shelf.read("zone") is None
    shelf.write("zone", {"a": 2})
    assert shelf.read("zone") == {"a": 2}


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/cache"])
def test_a_folder_that_cannot_be_made_costs_nothing_but_the_documents(place: str) -> None:
    shelf = Shelf(Path(place))
    shelf.write("zone", {"a": 1})
    assert shelf.read("zone") is None
    shelf.remove("zone")
    shelf.sweep()
    with shelf.alone_briefly("zone"):
        pass
    assert asyncio.run(_alone(shelf)) == "did it"


async def _alone(shelf: Shelf) -> str:
    async with shelf.alone("zone"):
        return "did it"


def test_a_folder_without_leave_to_write_still_can_be_read(shelf: Shelf) -> None:
    shelf.write("zone", {"a": 1})

    def as_nobody() -> None:
        if os.getuid() == 0:
            # To the administrator no folder is closed.
            os.setuid(65_534)
        shelf.write("zone", {"a": 2})
        shelf.remove("zone")
        assert asyncio.run(_alone(shelf)) == "did it"
        assert shelf.read("zone") == {"a": 1}

    owner_only = [folder for folder in (shelf.folder, *shelf.folder.parents) if not mode(folder) & 0o077]
    modes = {folder: mode(folder) for folder in owner_only}
    try:
        for folder in owner_only:
            folder.chmod(0o555)
        (file,) = shelf.folder.iterdir()
        file.chmod(0o444)
        assert ended(in_a_process(as_nobody)) == 0
    finally:
        for folder, before in modes.items():
            folder.chmod(before)
    assert shelf.read("zone") == {"a": 1}


def test_a_full_disk_keeps_the_earlier_document_and_leaves_no_drafts(shelf: Shelf) -> None:
    shelf.write("zone", {"a": 1})

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        for _ in range(5):
            shelf.write("zone", {"a": "x" * 100_000})

    assert ended(in_a_process(write)) == 0
    assert shelf.read("zone") == {"a": 1}
    assert [file.suffix for file in shelf.folder.iterdir()] == [".json"]


def test_readers_never_see_half_a_document(shelf: Shelf) -> None:
    shelf.write("zone", {"values": [0] * 5_000})

    def write() -> None:
        for number in range(200):
            shelf.write("zone", {"values": [number] * 5_000})

    writer = in_a_process(write)
    seen = set()
    while os.waitpid(writer, os.WNOHANG) == (0, 0):
        document = shelf.read("zone")
        assert document is not None
        assert len(set(document["values"])) == 1
        seen.add(document["values"][0])
    assert len(seen) > 1


def test_of_thirty_processes_one_asks_and_the_others_read(shelf: Shelf, tmp_path: Path) -> None:
    async def work() -> None:
        async with shelf.alone("zone"):
            if shelf.read("zone") is None:
                (tmp_path / f"asked-{os.getpid()}").touch()
                await asyncio.sleep(0.2)
                shelf.write("zone", {"answer": 42})
        assert shelf.read("zone") == {"answer": 42}

    children = [in_a_process(lambda: asyncio.run(work())) for _ in range(30)]
    assert [ended(child) for child in children] == [0] * 30
    assert len(list(tmp_path.glob("asked-*"))) == 1


def test_names_are_worked_on_beside_each_other(shelf: Shelf) -> None:
    async def both() -> list[str]:
        order = []
        async with shelf.alone("a"), shelf.alone("b"):
            order.append("both")
        async with shelf.alone("a"):
            waiting = asyncio.create_task(_alone_named("a", order))
            await asyncio.sleep(0.1)
            order.append("first")
        await waiting
        return order

    async def _alone_named(name: str, order: list[str]) -> None:
        async with shelf.alone(name):
            order.append("second")

    assert asyncio.run(both()) == ["both", "first", "second"]


def test_a_process_that_is_killed_lets_go_of_its_name(shelf: Shelf, stopped: int) -> None:
    async def wait() -> str:
        waiting = asyncio.create_task(_alone(shelf))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        os.kill(stopped, signal.SIGKILL)
        return await asyncio.wait_for(waiting, 30)

    assert asyncio.run(wait()) == "did it"


def test_one_who_no_longer_wants_to_wait_leaves_nothing_open(shelf: Shelf, stopped: int) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_alone(shelf), 0.05)

    asyncio.run(leave())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_brief_work_does_not_wait_for_a_process_that_was_stopped(shelf: Shelf, stopped: int) -> None:
    # It would hold an event loop, and with it every trigger.
    assert BRIEFLY < 1
    with shelf.alone_briefly("zone"):
        shelf.write("zone", {"went": "on"})
    assert shelf.read("zone") == {"went": "on"}


def test_what_has_served_nobody_for_long_is_swept_away(shelf: Shelf) -> None:
    for name in ("old", "new"):
        shelf.write(name, {"a": 1})
        with shelf.alone_briefly(name):
            pass
    long_ago = time.time() - FORTY_ONE_DAYS
    for file in shelf.folder.glob("old-*"):
        os.utime(file, (long_ago, long_ago))
    (shelf.folder / "draft-of-one-that-died").touch()
    os.utime(shelf.folder / "draft-of-one-that-died", (long_ago, long_ago))
    (shelf.folder / "a-folder-of-somebody-else").mkdir()
    os.utime(shelf.folder / "a-folder-of-somebody-else", (long_ago, long_ago))
    shelf.sweep()
    assert shelf.read("new") == {"a": 1}
    assert sorted(file.name.split("-")[0] for file in shelf.folder.iterdir()) == ["a", "new", "new"]


def test_a_lock_in_use_is_not_old(shelf: Shelf) -> None:
    with shelf.alone_briefly("zone"):
        pass
    (lock,) = shelf.folder.iterdir()
    long_ago = time.time() - FORTY_ONE_DAYS
    os.utime(lock, (long_ago, long_ago))
    with shelf.alone_briefly("zone"):
        shelf.sweep()
        assert lock.exists()


def test_writing_sweeps_now_and_then(shelf: Shelf) -> None:
    shelf.write("old", {})
    (old,) = shelf.folder.iterdir()
    os.utime(old, (0, 0))
    for _ in range(20_000):
        if not old.exists():
            return
        shelf.write("new", {})
    raise AssertionError("twenty thousand documents were written, and none swept")
