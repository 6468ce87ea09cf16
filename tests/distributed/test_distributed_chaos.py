"""What breaks the engine, by itself: how rounds are drawn, a network that is cut, a clock that is wrong."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from airflow_carbon.exceptions import LocalAirflowError
from distributed import clock
from distributed.chaos import BESIDE, Group, rounds
from distributed.faults import FAULTS
from distributed.network import Network

ASKS = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=2) as line:
    line.sendall(b"power"); line.shutdown(socket.SHUT_WR); sys.stdout.write(line.recv(99).decode())
"""


def drawn(seed: int, count: int) -> list[Group]:
    return list(islice(rounds(FAULTS, random.Random(seed)), count))


def test_one_seed_draws_the_same_rounds_and_another_one_others() -> None:
    assert drawn(8, 60) == drawn(8, 60)
    assert drawn(8, 60) != drawn(9, 60)


def test_each_fault_is_tried_alone_before_two_are_and_soon_in_a_pair_as_well() -> None:
    groups = drawn(8, 80)
    alone = [faults for group in groups for faults in group if len(faults) == 1]
    assert sorted(fault.name for (fault,) in alone) == sorted(fault.name for fault in FAULTS)
    first = next(at for at, group in enumerate(groups) if len(group[0]) == 2)
    assert all(len(faults) == 1 for group in groups[:first] for faults in group)
    assert {fault for group in groups[first:] for faults in group for fault in faults} == set(FAULTS)


def test_only_what_breaks_one_run_is_tried_beside_another() -> None:
    for group in drawn(8, 80):
        assert len(group) <= BESIDE
        assert len(group) == 1 or all(fault.own for faults in group for fault in faults)


def test_no_pair_is_of_two_that_would_undo_each_other() -> None:
    for group in drawn(8, 200):
        for faults in group:
            assert sum(bool(fault.source) for fault in faults) <= 1
            assert len({fault.holds for fault in faults if fault.holds}) == sum(bool(fault.holds) for fault in faults)


@pytest.fixture
def port() -> Iterator[int]:
    """Echo on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def echo() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    line.sendall(line.recv(99))

        threading.Thread(target=echo, daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def network() -> Iterator[Network]:
    try:
        made = Network()
    except LocalAirflowError as error:
        pytest.skip(str(error))
    yield made
    made.close()


def said_within(network: Network, port: int) -> str:
    """Ask from within, and give the answer, or the last word of the error."""
    done = network.inside(
        lambda: subprocess.run([sys.executable, "-c", ASKS, str(port)], capture_output=True, text=True, timeout=30)
    )
    return done.stdout or done.stderr.strip().splitlines()[-1]


def test_a_process_within_reaches_what_is_offered_until_it_is_cut_off(network: Network, port: int) -> None:
    assert "Connection refused" in said_within(network, port)
    network.offer(port)
    assert said_within(network, port) == "power"
    network.cut(port)
    assert "timed out" in said_within(network, port)
    network.mend()
    assert said_within(network, port) == "power"


@pytest.mark.skipif(not clock.library(), reason="datefudge is not installed; as root: apt-get install datefudge")
@pytest.mark.parametrize("off", [-300, 300])
def test_a_clock_is_wrong_by_what_was_asked_and_durations_are_right(off: int) -> None:
    script = "import time; a = time.monotonic(); time.sleep(0.2); print(time.time(), time.monotonic() - a)"
    said = subprocess.check_output([sys.executable, "-c", script], env={**os.environ, **clock.off_by(off)}, text=True)
    told, lasted = map(float, said.split())
    assert told - time.time() == pytest.approx(off, abs=60)
    assert 0.2 <= lasted < 60
