"""Commands that only read what is declared."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from audience_assets.cli import main
from audience_assets_tests.cli.conftest import Run, answer, replace


def test_a_new_project_has_no_mistakes(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 0
    assert "3 models, 2 segments, 1 destination, 2 activations. No mistakes." in result.stdout


def test_a_trap_is_a_warning_and_no_mistake(run: Run, project: Path) -> None:
    (project / "activations/vips.yaml").write_text("segment: vips\ndestination: klaviyo\n")
    result = run("check")
    assert result.exit_code == 0
    assert "warning: newsletter, vips share an account and email." in result.stdout
    [told] = answer(run("check", "--json"))["warnings"]
    assert (told["check"], told["activations"]) == ("shared opt-out", ["newsletter", "vips"])
    (project / "activations/vips.yaml").unlink()
    assert answer(run("check", "--json"))["warnings"] == []
    assert "warning" not in run("check").stdout


def test_init_keeps_the_key_out_of_git(project: Path) -> None:
    assert ".env" in (project / ".gitignore").read_text().split()
    assert (project / ".env.example").read_text() == (project / ".env").read_text()


def test_init_does_not_touch_a_folder_in_use(project: Path) -> None:
    before = sorted(path.name for path in project.iterdir())
    result = CliRunner().invoke(main, ["init", str(project)])
    assert result.exit_code == 2
    assert "not empty" in result.stderr
    assert sorted(path.name for path in project.iterdir()) == before


def test_mistakes_are_told_all_at_once_without_a_traceback(run: Run, project: Path) -> None:
    replace(project / "segments/newsletter.yaml", "field: email,", "field: emial,")
    replace(project / "activations/newsletter.yaml", "segment: newsletter", "segment: newsleter")
    result = run("check")
    assert result.exit_code == 2
    assert "segments/newsletter.yaml:6" in result.stderr
    assert "'email'" in result.stderr
    assert "activations/newsletter.yaml:1" in result.stderr
    assert "'newsletter'" in result.stderr
    assert "Traceback" not in result.output


def test_a_program_reads_mistakes_as_json(run: Run, project: Path) -> None:
    replace(project / "segments/newsletter.yaml", "field: email,", "field: emial,")
    result = run("check", "--json")
    assert result.exit_code == 2
    found = answer(result)
    assert found["ok"] is False
    assert [(each["file"], each["line"]) for each in found["problems"]] == [("segments/newsletter.yaml", 6)]


def test_every_command_on_a_broken_project_says_the_same(run: Run, project: Path) -> None:
    (project / "project.yaml").write_text("project: [\n")
    expected = run("check").stderr
    for arguments in (["segments"], ["sync", "--all"], ["explain", "newsletter"], ["status"]):
        result = run(*arguments)
        assert (result.exit_code, result.stderr) == (2, expected), arguments


def test_no_project_here(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--project", str(tmp_path)])
    assert result.exit_code == 2
    assert "there is no project.yaml" in result.stderr
    assert "audience-assets init" in result.stderr


def test_debug_shows_where_an_error_comes_from(run: Run, project: Path) -> None:
    (project / "project.yaml").unlink()
    result = run("check", "--debug")
    assert result.exit_code == 1
    assert result.exception is not None
    assert type(result.exception).__name__ == "ProjectError"


def test_a_misspelt_name_gets_the_nearest(run: Run) -> None:
    result = run("explain", "newslettr")
    assert result.exit_code == 2
    assert "no activation is called 'newslettr': did you mean 'newsletter'?" in result.stderr


def test_explain_says_where_every_setting_comes_from(run: Run) -> None:
    result = run("explain", "newsletter", "--json")
    settings = {each["setting"]: (each["value"], each["from"]) for each in answer(result)["settings"]}
    assert settings["audience"] == ("newsletter", "activations/newsletter.yaml:1")
    assert settings["mapping.identifiers.email"][0] == "email"
    assert settings["mapping.identifiers.email"][1].startswith("destinations.yaml:")
    assert settings["guard.max_removed_percent"] == (30.0, "built-in default")
    assert all(origin for _, origin in settings.values())
    shown = run("explain", "newsletter").stdout
    assert all(name in shown for name in settings)


def test_an_activations_own_setting_is_told_apart_from_the_default(run: Run, project: Path) -> None:
    with (project / "activations/newsletter.yaml").open("a") as file:
        file.write("guard: {min_size: 5}\n")
    settings = {each["setting"]: each for each in answer(run("explain", "newsletter", "--json"))["settings"]}
    assert settings["guard.min_size"]["value"] == 5
    assert settings["guard.min_size"]["from"] == "activations/newsletter.yaml:3"
    assert settings["guard.max_removed_percent"]["from"] == "built-in default"


def test_schemas_are_written_one_a_file(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "schemas"
    assert run("schema", "--out", str(out)).exit_code == 0
    written = {path.name: json.loads(path.read_text()) for path in out.iterdir()}
    assert len(written) >= 4
    assert json.loads(run("schema").stdout) == {
        name.removesuffix(".schema.json"): schema for name, schema in written.items()
    }
