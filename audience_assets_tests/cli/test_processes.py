"""Commands that run until told to stop, as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

import audience_assets
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.cli.conftest import Run, Vendor, answer

PATIENCE = 30


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command line as its own process, which never outlives the test."""
    command = [sys.executable, "-u", "-m", "audience_assets.cli", *arguments]
    # For a package that is not installed, in whatever folder Dagster starts.
    environment = {**os.environ, "PYTHONPATH": str(Path(audience_assets.__file__).parents[1])}
    process = subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Read lines until one matches."""
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found
    raise AssertionError(f"the process ended with {process.wait()} before it said {pattern!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_sandbox_serves_until_it_is_stopped(project: Path, number: signal.Signals) -> None:
    with started("sandbox", "--project", str(project), "--port", "0", "--key", "pk_here") as process:
        assert int(read_until(process, r"([\d,]+) contacts")[1]) > 300
        # Nothing of SFTP, which the project does not use.
        url = read_until(process, r"^Klaviyo sandbox: base_url: (http://127\.0\.0\.1:\d+/klaviyo)$")[1]
        headers = {"Authorization": "Klaviyo-API-Key pk_here", "revision": "2026-07-15"}
        assert requests.get(f"{url}/api/profiles", headers=headers, timeout=PATIENCE).json()["data"]
        assert requests.get(f"{url}/api/profiles", timeout=PATIENCE).status_code == 401
        assert requests.get(read_until(process, r"look at: (\S+)\.")[1], timeout=PATIENCE).ok
        process.send_signal(number)
        assert process.wait(PATIENCE) == 0
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=PATIENCE)


def test_the_sandbox_serves_several_vendors(project: Path) -> None:
    with started(
        *("sandbox", "klaviyo", "iterable", "emarsys", "dotdigital"),
        *("--project", str(project), "--port", "0", "--key", "hush"),
    ) as process:
        url = read_until(process, r"Iterable sandbox: base_url: (\S+), project_type: hybrid")[1]
        for key in ("hush", "hush-email", "hush-user_id"):
            lists = requests.get(f"{url}/api/lists", headers={"Api-Key": key}, timeout=PATIENCE)
            assert lists.json() == {"lists": []}
        token_url = read_until(process, r"Emarsys sandbox: .*token_url: (\S+), client_id: sandbox")[1]
        form = {"grant_type": "client_credentials"}
        answer = requests.post(token_url, data=form, auth=("sandbox", "hush"), timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        contact_lists = token_url.replace("/oauth2/token", "/api/v3/contactlist")
        assert requests.get(contact_lists, headers=headers, timeout=PATIENCE).json()["data"] == []
        address = read_until(process, r"Dotdigital sandbox: base_url: (\S+), api_user: sandbox")[1]
        books = requests.get(f"{address}/v2/address-books", auth=("sandbox", "hush"), timeout=PATIENCE).json()
        assert [each["name"] for each in books] == ["All contacts", "Test"]


def test_a_taken_port_is_one_message(project: Path, vendor: Vendor) -> None:
    command = [sys.executable, "-m", "audience_assets.cli", "sandbox", "-p", str(project)]
    port = str(vendor.sandbox.port)
    done = subprocess.run([*command, "--port", port], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert f"Port {port} can't be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupted_sync_says_so_and_the_next_one_finishes(run: Run, project: Path, vendor: Vendor) -> None:
    def interrupt(_request: object) -> None:
        processes[0].send_signal(signal.SIGINT)

    processes: list[subprocess.Popen[str]] = []
    vendor.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "bulk_subscribe_profiles", times=1, hook=interrupt))
    with started("sync", "newsletter", "--project", str(project)) as process:
        processes.append(process)
        read_until(process, "Interrupted")
        assert process.wait(PATIENCE) == 130
    assert run("sync", "newsletter").exit_code == 0
    status = next(each for each in answer(run("status", "--json")) if each["activation"] == "newsletter")
    assert status["state"] in ("delivered", "unchanged")
    vendor.account.finish_jobs()
    members = list(vendor.account.members(vendor.account.list_named("Newsletter").id))
    assert len(members) == status["members"] > 100


def test_a_reader_who_leaves_does_not_break_off_a_delivery(run: Run, project: Path, vendor: Vendor) -> None:
    with started("sync", "newsletter", "--project", str(project)) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
    status = next(each for each in answer(run("status", "--json")) if each["activation"] == "newsletter")
    assert status["state"] == "delivered"


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def children(pid: int) -> list[str]:
    """Processes below one, by what they are."""
    found = subprocess.run(["ps", "-eo", "ppid,pid,args"], capture_output=True, text=True, check=True)  # noqa: S607
    rows = [line.split(None, 2) for line in found.stdout.splitlines()[1:]]
    below, known = [], {str(pid)}
    for _ in rows:
        new = [row for row in rows if row[0] in known and row[1] not in known]
        known |= {row[1] for row in new}
        below += [row[1] for row in new]
    return below


@pytest.mark.long
def test_ui_shows_a_project_and_stops_with_everything_it_started(project: Path) -> None:
    ports = (free_port(), free_port())
    arguments = ("--project", str(project), "--port", ports[0], "--sandbox-port", ports[1])
    with started("ui", *arguments) as process:
        dagster = read_until(process, r"Dagster +(http://\S+)")[1]
        page = read_until(process, r"Vendors' page +(http://\S+)")[1]
        assert (dagster, page) == tuple(f"http://127.0.0.1:{port}" for port in ports)
        klaviyo = read_until(process, r"Klaviyo sandbox +(http://\S+)")[1]
        query = {"query": "{ assetNodes { assetKey { path } repository { location { name } } } }"}
        nodes = requests.post(f"{dagster}/graphql", json=query, timeout=PATIENCE).json()["data"]["assetNodes"]
        assert {node["repository"]["location"]["name"] for node in nodes} == {"audience_assets"}
        assert ["klaviyo", "newsletter"] in [node["assetKey"]["path"] for node in nodes]
        assert requests.get(page, timeout=PATIENCE).ok
        assert requests.get(f"{klaviyo}/api/lists", timeout=PATIENCE).status_code == 401
        below = children(process.pid)
        assert len(below) >= 4, "dagster dev, code server, webserver, daemon"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    running = subprocess.run(["ps", "-eo", "pid,stat"], capture_output=True, text=True, check=True)  # noqa: S607
    alive = {pid for pid, state in (line.split() for line in running.stdout.splitlines()[1:]) if state[0] != "Z"}
    assert not alive & set(below)
    for url in (dagster, page):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=PATIENCE)


def test_ui_says_which_port_is_taken(project: Path, vendor: Vendor) -> None:
    command = [sys.executable, "-m", "audience_assets.cli", "ui", "-p", str(project)]
    port = str(vendor.sandbox.port)
    done = subprocess.run([*command, "--port", port], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 2
    assert f"Port {port} is taken" in done.stderr
