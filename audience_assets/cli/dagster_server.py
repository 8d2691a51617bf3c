"""`dagster dev` on a project."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from audience_assets.cli.children import Child
from audience_assets.errors import AudienceError

HOST = "127.0.0.1"
READY_SECONDS = 300
LONG_SECONDS = 30
WORKSPACE = Path(__file__).parent / "workspace.yaml"


def prepare_home(environment: Mapping[str, str]) -> None:
    """Create Dagster's databases before its servers start: on a fresh home they would race to do it and break it."""
    answer = subprocess.run(
        [sys.executable, "-m", "dagster", "instance", "info"],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )
    if answer.returncode:
        raise AudienceError(f"Dagster's home {environment['DAGSTER_HOME']} can't be used; move it away and try again.")


def dagster_dev(port: int, *, folder: Path, environment: Mapping[str, str], log: Path) -> Child:
    """Webserver, daemon and code server, not yet started. What they and their runs print goes to `log`."""
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(WORKSPACE), "-h", HOST, "-p", str(port)]
    return Child(command, folder=folder, environment=environment, log=log)


def wait_until_ready(child: Child, port: int, stopped: threading.Event, log: Path, say: Callable[[str], None]) -> None:
    """Return when the page answers or somebody says stop; `say` once that it takes long.

    Raises AudienceError when it does not answer in five minutes, or the program ends.
    """
    began, said = time.monotonic(), False
    while (waited := time.monotonic() - began) < READY_SECONDS:
        if not child.alive():
            raise AudienceError(f"Dagster ended at once with status {child.status}; its own words are in {log}")
        try:
            if requests.get(f"http://{HOST}:{port}/server_info", timeout=5).ok:
                return
        except requests.RequestException:
            pass
        if waited > LONG_SECONDS and not said:
            say(f"Still waiting for Dagster, at most {READY_SECONDS} seconds; a busy machine is slow. It writes {log}")
            said = True
        if stopped.wait(0.5):
            return
    raise AudienceError(
        f"Dagster did not answer on port {port} in {READY_SECONDS} seconds, and was stopped. Its own words are in "
        f"{log}; if there is no error there, the machine is too busy: try again."
    )
