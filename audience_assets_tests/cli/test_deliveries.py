"""Commands that ask or change the vendor, over HTTP."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from audience_assets.sandbox import Action, Fault
from audience_assets_tests.cli.conftest import KEY, Run, Vendor, addresses, answer, replace


def members(vendor: Vendor) -> set[str | None]:
    vendor.account.finish_jobs()
    return {profile.email for profile in vendor.account.members(vendor.account.list_named("Newsletter").id)}


def status_of(run: Run, activation: str) -> dict[str, Any]:
    """A list's line of `status`."""
    found: dict[str, Any] = next(each for each in answer(run("status", "--json")) if each["activation"] == activation)
    return found


def opt_out_most(project: Path) -> None:
    """A broken load: consent of half the people is gone."""
    replace(project / "segments/newsletter.yaml", "status: subscribed", "status: unsubscribed")


def test_a_plan_counts_and_writes_nothing(run: Run, vendor: Vendor) -> None:
    plan = answer(run("plan", "newsletter", "--json"))
    assert plan["counts"]["add"] > 100
    assert {each["endpoint"] for each in plan["estimate"]} >= {"get_profiles", "subscribe_profiles"}
    assert vendor.account.lists == []
    assert vendor.account.audit == []


def test_a_plan_shows_people_only_when_asked(run: Run, vendor: Vendor) -> None:
    assert not addresses(run("plan", "newsletter").output)
    assert len(addresses(run("plan", "newsletter", "--sample", "3").output)) == 3


def test_a_sync_says_what_it_will_do_and_what_it_did(run: Run, vendor: Vendor) -> None:
    result = run("sync", "newsletter")
    assert result.exit_code == 0, result.output
    assert "changes; the vendor's limits allow it in" in result.stdout
    # Before the first call that writes, not after it.
    before, _, after = result.stdout.partition("newsletter: delivered")
    assert "into the list 'Newsletter'; opt-in process: double_opt_in; adopted: no" in before and after
    report = status_of(run, "newsletter")
    assert report["state"] == "delivered"
    assert report["added"] == report["members"] == len(members(vendor)) > 100
    assert f"{report['added']} added" in result.stdout
    assert not addresses(result.output)


def test_a_list_that_exists_is_shown_with_its_process_before_it_is_adopted(run: Run, vendor: Vendor) -> None:
    assert "created if there is none" in run("plan", "newsletter").stdout
    vendor.account.create_list("Newsletter", "single_opt_in")
    shown = run("plan", "newsletter").stdout
    assert "list 'Newsletter' (exists)" in shown
    assert "opt-in process: single_opt_in" in shown
    told = "into the list 'Newsletter'; opt-in process: single_opt_in; adopted: yes"
    assert told in run("sync", "newsletter").stdout


def test_a_list_of_ours_stays_ours(run: Run, vendor: Vendor, project: Path) -> None:
    assert "adopted: no" in run("sync", "vips").stdout
    replace(project / "segments/vips.yaml", "value: 300", "value: 200")
    assert "adopted: no" in run("sync", "vips").stdout


def test_a_list_that_is_gone_is_named_with_the_way_to_make_it_anew(run: Run, vendor: Vendor, project: Path) -> None:
    run("sync", "vips")
    vendor.account.delete_list(vendor.account.list_named("VIPs"))
    replace(project / "segments/vips.yaml", "value: 300", "value: 200")
    result = run("sync", "vips")
    assert result.exit_code == 1
    assert result.stderr.startswith("vips: ") and "audience-assets sync vips --recreate" in result.stderr
    assert run("sync", "vips", "--recreate").exit_code == 0


def test_a_program_reads_a_syncs_report(run: Run, vendor: Vendor) -> None:
    reports = {report["activation"]: report for report in answer(run("sync", "--all", "--json"))}
    assert set(reports) == {"newsletter", "vips"}
    assert reports["newsletter"]["added"] == len(members(vendor))


def test_rejections_count_reasons_and_show_people_only_when_asked(run: Run, vendor: Vendor) -> None:
    assert "nobody is refused" in run("rejections", "newsletter").stdout
    [report] = answer(run("sync", "newsletter", "--json"))
    counted = answer(run("rejections", "newsletter", "--json"))
    assert sum(each["rows"] for each in counted["reasons"]) == report["rejected"] > 0
    assert counted["rows"] == []
    assert not addresses(run("rejections", "newsletter").output)
    shown = answer(run("rejections", "newsletter", "--rows", "5", "--json"))["rows"]
    assert 0 < len(shown) <= 5
    assert all(each["identifier"] for each in shown)


def test_a_guard_stops_with_its_own_code_and_an_approval_goes_through(run: Run, vendor: Vendor, project: Path) -> None:
    assert run("sync", "newsletter").exit_code == 0
    before = members(vendor)
    opt_out_most(project)
    stopped = run("sync", "newsletter")
    assert stopped.exit_code == 3
    assert "max_removed_percent" in stopped.stderr
    assert members(vendor) == before
    assert run("status").exit_code == 1
    plan = run("plan", "newsletter", "--json")
    assert plan.exit_code == 3
    fingerprint = answer(plan)["fingerprint"]
    assert fingerprint in stopped.stderr
    assert run("sync", "newsletter", "--approve", "0" * 16).exit_code == 3
    approved = run("sync", "newsletter", "--approve", fingerprint)
    assert approved.exit_code == 0
    assert "approved although: " in approved.stdout and "max_removed_percent" in approved.stdout
    assert not members(vendor) & before


def test_a_plan_changes_nothing_of_what_status_tells(run: Run, vendor: Vendor, project: Path) -> None:
    assert run("sync", "newsletter").exit_code == 0
    opt_out_most(project)
    assert run("sync", "newsletter").exit_code == 3
    told = status_of(run, "newsletter")
    assert (told["state"], told["members"]) == ("blocked", len(members(vendor)))
    assert run("plan", "newsletter").exit_code == 3
    assert status_of(run, "newsletter") == told
    assert run("status").exit_code == 1


def test_an_approval_that_nothing_needed_is_said(run: Run, vendor: Vendor) -> None:
    result = run("sync", "newsletter", "--approve", "0" * 16)
    assert result.exit_code == 0
    assert "no guard stopped this plan, so there was nothing to approve" in result.stdout


def test_without_refresh_the_last_computed_members_are_delivered(run: Run, vendor: Vendor, project: Path) -> None:
    run("sync", "newsletter")
    before = members(vendor)
    opt_out_most(project)
    assert run("sync", "newsletter", "--no-refresh").exit_code == 0
    assert members(vendor) == before


def test_what_the_vendor_did_not_answer_is_a_partial_delivery(run: Run, vendor: Vendor, project: Path) -> None:
    replace(project / "destinations.yaml", "\n    api_key:", "\n    tries: 1\n    api_key:")
    vendor.sandbox.faults.add(Fault(Action.ERROR_BEFORE, endpoint="bulk_subscribe_profiles", status=503))
    result = run("sync", "newsletter", "--json")
    assert result.exit_code == 4, result.output
    assert answer(result)[0]["state"] == "partial"
    vendor.sandbox.faults.clear()
    assert run("sync", "newsletter").exit_code == 0
    assert len(members(vendor)) > 100


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name the activations to sync, or say --all, or --campaign NAME."),
        (("newsletter", "--all"), "It is one or the other: newsletter or --all."),
        (("vips", "newsletter", "--campaign", "spring"), "one or the other: vips, newsletter or --campaign spring."),
        (("--all", "--approve", "0123"), "name exactly one activation"),
    ],
)
def test_a_sync_must_be_told_which_lists(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run("sync", *arguments)
    assert result.exit_code == 2 and says in " ".join(result.stderr.split())


def test_one_failing_list_does_not_keep_the_others(run: Run, vendor: Vendor, project: Path) -> None:
    with (project / "activations/vips.yaml").open("a") as file:
        file.write("guard: {min_size: 100000}\n")
    result = run("sync", "--all", "--json")
    assert result.exit_code == 3
    states = {each["activation"]: each["state"] for each in answer(result)}
    assert states == {"newsletter": "delivered", "vips": "stopped"}


def test_a_segment_that_fails_does_not_keep_other_lists(run: Run, vendor: Vendor, project: Path) -> None:
    with closing(sqlite3.connect(project / "warehouse.sqlite")) as warehouse:
        warehouse.execute("ALTER TABLE orders RENAME TO orders_elsewhere")
    result = run("sync", "--all", "--json")
    assert result.exit_code == 1
    told = {each["activation"]: each for each in answer(result)}
    assert told["newsletter"]["state"] == "delivered"
    assert told["vips"]["state"] == "stopped"
    assert "orders" in told["vips"]["error"]


def test_a_mistyped_path_makes_no_warehouse(run: Run, project: Path) -> None:
    replace(project / "project.yaml", "warehouse.sqlite", "warehouze.sqlite")
    result = run("insights", "vips")
    assert result.exit_code == 1
    assert "There is no sqlite warehouse at" in result.stderr and "warehouse.sqlite" in result.stderr
    assert not (project / "warehouze.sqlite").exists()


def test_a_wrong_key_fails_with_a_message_that_does_not_show_it(
    run: Run, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "pk_wrong_but_secret_all_the_same"
    monkeypatch.setenv("KLAVIYO_API_KEY", wrong)
    for arguments in (["sync", "newsletter"], ["doctor"], ["doctor", "--json"]):
        result = run(*arguments)
        assert result.exit_code == 1, arguments
        assert wrong not in result.output
        assert "Traceback" not in result.output


def test_a_missing_variable_is_named(run: Run, vendor: Vendor, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").unlink()
    monkeypatch.delenv("KLAVIYO_API_KEY")
    result = run("sync", "newsletter")
    assert result.exit_code in (1, 2)
    assert "KLAVIYO_API_KEY" in result.stderr


def test_a_file_of_secrets_that_can_not_be_read_is_one_message(run: Run, project: Path) -> None:
    (project / ".env").write_bytes("KLAVIYO_API_KEY=clé\n".encode("latin-1"))
    result = run("status")
    assert result.exit_code == 1
    assert result.stderr.strip().endswith(".env is not UTF-8 text")


def test_a_vendor_out_of_reach_is_a_failed_delivery(run: Run, project: Path) -> None:
    replace(project / "destinations.yaml", "\n    api_key:", "\n    tries: 1\n    api_key:")
    result = run("sync", "newsletter")
    assert result.exit_code in (1, 4)
    assert "Traceback" not in result.output


def test_the_doctor_finds_everything_well(run: Run, vendor: Vendor) -> None:
    result = run("doctor", "--json")
    assert result.exit_code == 0, result.output
    findings = answer(result)
    subjects = {each["subject"] for each in findings if not each["warning"]}
    assert subjects == {"customers", "orders", "consents", "warehouse", "newsletter", "vips"}
    assert all(each["ok"] for each in findings)
    assert "FAILED" not in run("doctor").stdout
    assert vendor.account.lists == []


def test_the_doctor_writes_nothing_in_the_warehouse(
    run: Run, vendor: Vendor, project: Path, made_project: Path
) -> None:
    untouched = (made_project / "warehouse.sqlite").read_bytes()
    (project / "fresh.sqlite").write_bytes(untouched)
    replace(project / "project.yaml", "sqlite:///warehouse.sqlite", "sqlite:///fresh.sqlite")
    assert run("doctor", "newsletter").exit_code == 0
    with closing(sqlite3.connect(project / "fresh.sqlite")) as warehouse:
        tables = [name for (name,) in warehouse.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert tables and not [name for name in tables if name.startswith("audience_assets")]


def test_the_doctor_finds_that_our_tables_can_not_be_written(run: Run, vendor: Vendor, project: Path) -> None:
    with closing(sqlite3.connect(project / "warehouse.sqlite")) as warehouse:
        warehouse.execute(
            "CREATE TRIGGER kept BEFORE INSERT ON audience_assets_schema_version BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    result = run("doctor", "newsletter", "--json")
    assert result.exit_code == 1
    [failed] = [each for each in answer(result) if not each["ok"]]
    assert (failed["subject"], failed["check"]) == ("warehouse", "state")
    assert failed["message"].startswith("no: our state is kept in 'audience_assets' there")


def test_the_doctor_misses_a_list_that_was_delivered_to(run: Run, vendor: Vendor) -> None:
    assert run("sync", "newsletter").exit_code == 0
    assert "exists, and we deliver to it; opt-in process: double_opt_in" in run("doctor", "newsletter").stdout
    vendor.account.delete_list(vendor.account.list_named("Newsletter"))
    result = run("doctor", "newsletter")
    assert result.exit_code == 1
    assert "audience-assets sync newsletter --recreate" in result.stdout
    assert "the first sync creates it" not in result.stdout


def test_the_doctor_warns_of_lists_whose_opt_outs_are_shared(run: Run, vendor: Vendor, project: Path) -> None:
    (project / "activations/vips.yaml").write_text("segment: vips\ndestination: klaviyo\n")
    result = run("doctor")
    assert result.exit_code == 0
    assert "warn    lists: shared opt-out: newsletter, vips share an account and email." in result.stdout
    (project / "activations/vips.yaml").unlink()
    assert "shared opt-out" not in run("doctor").stdout


def test_the_doctor_gives_up_on_an_outage_soon_and_once_a_destination(run: Run, vendor: Vendor) -> None:
    vendor.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=503))
    result = run("doctor", "--json")
    assert result.exit_code == 1
    assert len(vendor.sandbox.requests) == 2, "a call and its repetition"
    failed = {each["subject"]: each["message"] for each in answer(result) if not each["ok"]}
    assert set(failed) == {"newsletter", "vips"}
    assert failed["vips"] == "not tried: klaviyo failed for newsletter already"


def test_the_doctor_names_a_missing_column(run: Run, vendor: Vendor, project: Path) -> None:
    replace(project / "project.yaml", "amount: {type: number}", "amount: {type: number, column: amont}")
    result = run("doctor")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "amont" in result.stdout


def test_no_command_prints_the_key(run: Run, vendor: Vendor) -> None:
    commands = (
        ["check"], ["segments"], ["sql", "newsletter"], ["preview", "newsletter"], ["insights", "newsletter"],
        ["plan", "newsletter"], ["sync", "--all"], ["status"], ["rejections", "newsletter"],
        ["explain", "newsletter"], ["doctor"],
    )  # fmt: skip
    for command in commands:
        for more in ([], ["--json"]):
            result = run(*command, *more)
            assert result.exit_code == 0, (command, result.output)
            assert KEY not in result.output, command


def test_a_list_without_an_activation_is_told_of_and_fails_nothing(run: Run, vendor: Vendor, project: Path) -> None:
    run("sync", "vips")
    (project / "activations/vips.yaml").unlink()
    row = status_of(run, "vips")
    assert "'VIPs' at klaviyo is kept by no activation any more" in row["note"] and row["members"] > 0
    shown = run("status")
    assert shown.exit_code == 0 and "vips: the list 'VIPs' at klaviyo is kept by no activation" in shown.stdout
    for arguments in ([], ["newsletter"]):
        results = answer(run("doctor", *arguments, "--json"))
        [found] = [each for each in results if each["check"] == "list without activation"]
        assert (found["subject"], found["ok"], found["warning"]) == ("vips", True, True)


def test_a_new_name_for_a_list_is_a_note_of_the_plan(run: Run, vendor: Vendor, project: Path) -> None:
    run("sync", "vips")
    assert "Note:" not in run("plan", "vips").stdout
    (project / "activations/vips.yaml").write_text("segment: vips\ndestination: klaviyo\nlist_name: Best\n")
    shown = run("plan", "vips").stdout
    assert "Note: the project names its list 'Best', but the one it keeps at klaviyo is 'VIPs'" in shown
    assert "'Best'" in status_of(run, "vips")["note"]
    [found] = [each for each in answer(run("doctor", "vips", "--json")) if each["check"] == "list name"]
    assert found["warning"]


def test_another_destination_is_refused_until_it_is_said_again(run: Run, vendor: Vendor, project: Path) -> None:
    run("sync", "vips")
    text = (project / "destinations.yaml").read_text()
    with (project / "destinations.yaml").open("a") as file:
        file.write(text.partition("destinations:\n")[2].replace("klaviyo:", "abroad:", 1))
    (project / "activations/vips.yaml").write_text("segment: vips\ndestination: abroad\nlist_name: VIPs abroad\n")
    for command in ("plan", "sync", "reconcile"):
        stopped = run(command, "vips")
        assert stopped.exit_code == 1
        assert stopped.stderr.startswith("vips: its list 'VIPs'") and "is at klaviyo" in stopped.stderr
    assert "vips: its list 'VIPs'" in run("status").stdout
    assert [each.name for each in vendor.account.lists] == ["VIPs"]
    assert run("sync", "vips", "--recreate").exit_code == 0
    assert [each.name for each in vendor.account.lists] == ["VIPs", "VIPs abroad"]
