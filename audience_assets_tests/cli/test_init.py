"""A new project runs as it is, whichever vendor it is made for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from dotenv import dotenv_values

from audience_assets.cli import main
from audience_assets.cli.contacts import contacts
from audience_assets.cli.twins import vendors_of
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.load import load_project
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.served import serve
from audience_assets_tests.cli.conftest import Run, answer, replace

# What `audience-assets sandbox` takes by itself, which the projects are made for.
KEY, ADDRESS = "pk_sandbox", "http://127.0.0.1:8787"


@pytest.fixture(params=list(DESTINATIONS))
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fresh(vendor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project from `init` for the vendor."""
    monkeypatch.delenv("COLUMNS", raising=False)
    target = tmp_path / "project"
    result = CliRunner().invoke(main, ["init", str(target), "--destination", vendor])
    assert result.exit_code == 0, result.output
    assert f"a local {DESTINATIONS[vendor].title}" in result.stdout
    return target


@pytest.fixture
def call(fresh: Path) -> Run:
    return lambda name, *arguments: CliRunner().invoke(main, [name, "--project", str(fresh), *arguments])


@contextmanager
def served(vendor: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `audience-assets sandbox` serves in the project's folder, on another port."""
    twin = serve(vendor, KEY, rate_limits=False)
    with Runtime.open(project) as runtime:
        twin.seed(contacts(runtime, vendor, percent=90))
    with Sandbox([twin.vendor]) as sandbox:
        for name, value in dotenv_values(project / ".env").items():
            monkeypatch.setenv(name, (value or "").replace(ADDRESS, sandbox.url))
        yield


def test_it_runs_as_it_is(fresh: Path, vendor: str, call: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    if vendor == "dotdigital":  # its jobs are asked after every few seconds
        replace(fresh / "destinations.yaml", "    api_user:", "    first_poll_seconds: 0\n    api_user:")
    with served(vendor, fresh, monkeypatch):
        for command in (["check"], ["explain", "newsletter"], ["doctor"], ["plan", "newsletter"]):
            result = call(*command)
            assert result.exit_code == 0, result.output
        assert "FAILED" not in call("doctor").stdout
        [report] = answer(call("sync", "--all", "--json"))
        assert report["state"] == "delivered"
        assert report["added"] == report["members_after"] > 100
        [report] = answer(call("sync", "--all", "--json"))
        assert report["state"] == "unchanged" or report["added"] == 0


def test_commands_begin_on_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process each, which has loaded nothing for another one: the list maps a calculated field."""
    project = tmp_path / "project"
    assert CliRunner().invoke(main, ["init", str(project), "--destination", "iterable"]).exit_code == 0
    with served("iterable", project, monkeypatch):
        assert CliRunner().invoke(main, ["sync", "--all", "--project", str(project)]).exit_code == 0
        command = [sys.executable, "-m", "audience_assets.cli", "reconcile", "newsletter", "--project", str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "in both" in done.stdout


def test_the_other_vendors_are_a_comment_that_is_right(fresh: Path, vendor: str, call: Run) -> None:
    file = fresh / "destinations.yaml"
    own, _, others = file.read_text().partition("# Other vendors")
    assert re.findall(r"^  (\w+):", own, re.MULTILINE) == [vendor]
    file.write_text(own + "".join(line[1:] for line in others.splitlines(keepends=True)[1:] if line.strip()))
    assert call("check").exit_code == 0
    assert set(load_project(fresh).destinations) == set(DESTINATIONS)


def test_the_sandbox_is_the_projects_vendors(fresh: Path, vendor: str) -> None:
    assert vendors_of(load_project(fresh)) == [vendor]


def test_secrets_stay_out_of_git(fresh: Path) -> None:
    assert ".env" in (fresh / ".gitignore").read_text().split()
    assert KEY not in (fresh / "destinations.yaml").read_text()
