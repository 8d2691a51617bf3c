"""A project as `init` makes it, a Klaviyo that knows its people, and a way to call commands."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from audience_assets.cli import main
from audience_assets.cli.contacts import contacts
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox

KEY = "pk_do_not_print_me_0123456789"

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def made_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project from `init`, to be copied."""
    target = tmp_path_factory.mktemp("init") / "project"
    result = CliRunner().invoke(main, ["init", str(target)])
    assert result.exit_code == 0, result.output
    return target


@pytest.fixture
def project(made_project: Path, tmp_path: Path) -> Path:
    """A project of the test's own, with a second list beside the one that `init` declares."""
    target = tmp_path / "project"
    shutil.copytree(made_project, target)
    (target / "activations/vips.yaml").write_text("segment: vips\ndestination: klaviyo\n")
    return target


@dataclass(frozen=True)
class Vendor:
    """The sandbox and its account."""

    sandbox: Sandbox
    account: KlaviyoAccount


@pytest.fixture
def vendor(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A Klaviyo that knows nine in ten of the project's people; the environment leads there."""
    with Runtime.open(project) as runtime:
        people = list(contacts(runtime, "klaviyo", percent=90))
    klaviyo = KlaviyoSandbox(rate_limits=False)
    account = klaviyo.account("tests", key=KEY)
    account.add_profiles({"email": person["email"]} for person in people)
    with Sandbox([klaviyo]) as sandbox:
        monkeypatch.setenv("KLAVIYO_API_KEY", KEY)
        monkeypatch.setenv("KLAVIYO_BASE_URL", sandbox.url)
        yield Vendor(sandbox, account)


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command on the project. What its `.env` would add to this process is set and taken back."""
    monkeypatch.setenv("KLAVIYO_API_KEY", KEY)
    monkeypatch.setenv("KLAVIYO_BASE_URL", "http://127.0.0.1:9")
    # Of the terminal that the tests run in, which is told to each worker.
    monkeypatch.delenv("COLUMNS", raising=False)

    def call(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, [name, "--project", str(project), *arguments])

    return call


def answer(result: Result) -> Any:
    """What a program reads from stdout."""
    return json.loads(result.stdout)


def addresses(text: str) -> list[str]:
    """Whatever looks like an e-mail address in what was printed."""
    return re.findall(r"\S+@\S+", text)


def replace(file: Path, old: str, new: str) -> None:
    """Edit a project's file."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
