"""Whatever a child starts ends with it, polite or not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from audience_assets.cli import children, dagster_server
from audience_assets.cli.children import Child
from audience_assets.cli.dagster_server import wait_until_ready
from audience_assets.errors import AudienceError

# Starts a grandchild, writes both process ids, and ends as told.
PARENT = """
import os, signal, subprocess, sys, time
how = sys.argv[1]
if how == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
below = subprocess.Popen([sys.executable, "-c", deaf])
with open("pids.new", "w") as file:
    file.write(f"{os.getpid()} {below.pid}")
os.rename("pids.new", "pids")
if how == "ends":
    sys.exit(3)
time.sleep(60)
"""


def start(how: str, folder: Path) -> Child:
    return Child([sys.executable, "-c", PARENT, how], folder=folder, environment={})


def pids(folder: Path) -> list[int]:
    deadline = time.monotonic() + 20
    while not (folder / "pids").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(text) for text in (folder / "pids").read_text().split()]


def gone(pid: int) -> bool:
    """No such process, or only its entry is left for init to take."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("how", ["polite", "deaf"])
def test_a_child_and_its_children_are_gone(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "GRACE_SECONDS", 0.3)
    with start(how, tmp_path) as child:
        below = pids(tmp_path)
        assert child.alive()
    assert not child.alive()
    assert [gone(pid) for pid in below] == [True, True]


def test_a_child_that_ends_by_itself_tells_its_status_and_leaves_nothing(tmp_path: Path) -> None:
    with start("ends", tmp_path) as child:
        below = pids(tmp_path)
        while child.alive():
            time.sleep(0.02)
        assert child.status == 3
    assert gone(below[1])


def test_the_terminals_interrupt_does_not_reach_it(tmp_path: Path) -> None:
    with start("polite", tmp_path):
        leader = pids(tmp_path)[0]
        assert os.getpgid(leader) != os.getpgid(0)
        assert os.getsid(leader) != os.getsid(0)


def test_the_environment_is_added_to_ours(tmp_path: Path) -> None:
    code = "import os, pathlib; pathlib.Path('said').write_text(os.environ['SAID'] + os.environ['PATH'])"
    with Child([sys.executable, "-c", code], folder=tmp_path, environment={"SAID": "yes"}) as child:
        while child.alive():
            time.sleep(0.02)
    assert (tmp_path / "said").read_text() == "yes" + os.environ["PATH"]


def test_what_it_prints_goes_to_its_log(tmp_path: Path) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr)"
    log = tmp_path / "log"
    with Child([sys.executable, "-c", code], folder=tmp_path, environment={}, log=log) as child:
        while child.alive():
            time.sleep(0.02)
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_who_waits_long_for_dagster_is_told_and_not_left_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that listens to no port is a Dagster that never comes up."""
    monkeypatch.setattr(dagster_server, "LONG_SECONDS", 0)
    monkeypatch.setattr(dagster_server, "READY_SECONDS", 1.2)
    said: list[str] = []
    with socket.socket() as taken, start("polite", tmp_path) as child:
        taken.bind((dagster_server.HOST, 0))
        port, log = taken.getsockname()[1], tmp_path / "dagster.log"
        with pytest.raises(AudienceError, match=rf"did not answer on port {port} in 1.2 seconds.*{log}"):
            wait_until_ready(child, port, threading.Event(), log, said.append)
    assert len(said) == 1 and said[0].startswith("Still waiting for Dagster, at most 1.2 seconds")
    assert str(log) in said[0]


def test_signals_stop_a_wait() -> None:
    code = (
        "from audience_assets.cli.waiting import stop_signals, wait\n"
        "with stop_signals() as stopped:\n"
        "    print('ready', flush=True)\n"
        "    wait(stopped)\n"
        "print('in order')\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        rest, _ = process.communicate(timeout=20)
        assert (process.returncode, rest) == (0, "in order\n")
