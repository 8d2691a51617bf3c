"""`audience-assets ui`: Dagster and the sandbox, to look at and to play with."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from audience_assets.cli.contacts import contacts
from audience_assets.cli.dagster_server import HOST, dagster_dev, prepare_home, wait_until_ready
from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.twins import twins_of
from audience_assets.cli.waiting import stop_signals, wait
from audience_assets.demo.run import demo
from audience_assets.demo.workspace import FOLDER, make_dagster_home
from audience_assets.errors import AudienceError
from audience_assets.project.files import PROJECT as PROJECT_FILE
from audience_assets.sandbox import Sandbox

DAGSTER_PORT = 3000
SANDBOX_PORT = 8787
SANDBOX_KEY = "pk_sandbox"
DEMO_CUSTOMERS = 10_000
HOME = ".dagster"
LOG = "dagster.log"


@dataclass(frozen=True)
class _Stage:
    """What Dagster is to show."""

    folder: Path
    project: Path
    environment: Mapping[str, str]
    sandbox: Sandbox


@declare(
    "ui",
    click.option("--port", type=click.IntRange(1, 65535), default=DAGSTER_PORT, show_default=True, help="Dagster's."),
    click.option(
        "--sandbox-port", type=click.IntRange(1, 65535), default=SANDBOX_PORT, show_default=True, help="The vendors'."
    ),
    click.option(
        "--customers", type=click.IntRange(min=500), default=DEMO_CUSTOMERS, show_default=True, help="Of the demo."
    ),
    json=False,
)
def command(session: Session, port: int, sandbox_port: int, customers: int) -> None:
    """Leave Dagster and the vendors' sandboxes running, until Ctrl-C.

    In a project's folder, or with --project, Dagster shows that project. Anywhere else the demo is played
    first and Dagster shows its lists and their history.
    """
    for wanted, option in ((port, "--port"), (sandbox_port, "--sandbox-port")):
        _check_free(wanted, option)
    with _stage(session, sandbox_port, customers) as stage, stop_signals() as stopped:
        prepare_home(stage.environment)
        log = Path(stage.environment["DAGSTER_HOME"]) / LOG
        with dagster_dev(port, folder=stage.folder, environment=stage.environment, log=log) as child:
            with session.err.status("starting Dagster"):
                wait_until_ready(child, port, stopped, log, session.say)
            if not stopped.is_set():
                session.say(_addresses(f"http://{HOST}:{port}", stage, log))
            wait(stopped, child.alive)
            if not stopped.is_set():
                raise AudienceError(f"Dagster ended by itself with status {child.status}; its own words are in {log}")
    session.say("Stopped.")


def _addresses(dagster: str, stage: _Stage, log: Path) -> str:
    """Where everything is. The sandbox's page shows every vendor's lists, members and requests."""
    sandbox = stage.sandbox
    lines = [("Dagster", f"{dagster}   (it writes {log})"), ("Vendors' page", sandbox.url)]
    lines += [(f"{each.title} sandbox", sandbox.url_of(name)) for name, each in sandbox.vendors.items()]
    lines += [("Project", f"{stage.project}   (commands work there, in another terminal: audience-assets status)")]
    return "\n".join(["", *(f"{what:<20}{where}" for what, where in lines), "", "Ctrl-C stops all of it."])


def _check_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise click.UsageError(f"Port {port} is taken. Choose another with {option}.") from error


@contextmanager
def _stage(session: Session, sandbox_port: int, customers: int) -> Iterator[_Stage]:
    if (session.folder / PROJECT_FILE).is_file():
        with _project(session, sandbox_port) as stage:
            yield stage
        return
    if session.folder != Path():
        raise click.UsageError(f"There is no {PROJECT_FILE} in {session.folder}.")
    with demo(Path(FOLDER), customers=customers, console=session.out, port=sandbox_port) as played:
        yield _Stage(played.workspace.folder, played.workspace.project, played.variables, played.sandbox)


@contextmanager
def _project(session: Session, port: int) -> Iterator[_Stage]:
    folder = session.folder.resolve()
    with session.runtime() as runtime:
        twins = twins_of(runtime.project, key=SANDBOX_KEY)
        for name, twin in twins.items():
            twin.seed(contacts(runtime, name, percent=90))
    home = Path(os.environ.get("DAGSTER_HOME") or folder / HOME).resolve()
    make_dagster_home(home)
    with Sandbox([twin.vendor for twin in twins.values()], port=port) as sandbox:
        yield _Stage(folder, folder, {"AUDIENCE_PROJECT": str(folder), "DAGSTER_HOME": str(home)}, sandbox)
