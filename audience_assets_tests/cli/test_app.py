"""The group: help, codes, a fast start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from audience_assets import __version__
from audience_assets.cli import main
from audience_assets.cli.app import COMMANDS
from audience_assets.cli.lazy import LazyGroup


def test_help_names_every_command_and_exit_code() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    for name in COMMANDS:
        assert f"  {name} " in text
    for code in ("0", "1", "2", "3", "4", "130"):
        assert f"\n    {code} " in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 5


def test_the_version_is_the_packages() -> None:
    assert __version__ in CliRunner().invoke(main, ["--version"]).output


def test_an_unknown_command_is_a_usage_error_that_offers_the_nearest() -> None:
    result = CliRunner().invoke(main, ["synk"])
    assert result.exit_code == 2
    assert "no command is called 'synk': did you mean 'sync'?" in result.stderr


def test_an_interrupt_while_a_command_is_imported_has_the_code_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "interrupted_commands").mkdir()
    (tmp_path / "interrupted_commands/slow.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(tmp_path)
    group = LazyGroup("tool", declared={"slow": "takes a while"}, package="interrupted_commands")
    result = CliRunner().invoke(group, ["slow"])
    assert (result.exit_code, result.output) == (130, "Interrupted.\n")


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(main, ["init", str(tmp_path / "file" / "project")])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert str(tmp_path / "file") in result.stderr


def test_what_init_makes_has_nothing_to_warn_of(made_project: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--project", str(made_project)])
    assert result.stdout.splitlines() == ["my_project: 3 models, 2 segments, 1 destination, 1 activation. No mistakes."]


def test_checking_a_project_imports_neither_dagster_nor_pandas(made_project: Path) -> None:
    code = (
        "import sys\n"
        "from audience_assets.cli import main\n"
        f"main(['check', '--project', {str(made_project)!r}], standalone_mode=False)\n"
        "assert not {'dagster', 'pandas', 'duckdb'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert "No mistakes" in done.stdout


def test_it_can_be_run_as_a_module(made_project: Path) -> None:
    command = [sys.executable, "-m", "audience_assets.cli", "check", "--json", "--project", str(made_project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert '"ok": true' in done.stdout
