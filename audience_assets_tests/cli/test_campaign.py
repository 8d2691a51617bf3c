"""The commands about campaigns: what is declared, a rehearsal that keeps nothing, plans, deliveries, recipients."""

from __future__ import annotations

import csv
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from audience_assets.cli import main
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.cli.conftest import Run, Vendor, addresses, answer, replace

SPRING = """
name: Spring
include: [newsletter]
exclude: [vips]
sub_audiences:
  - name: French
    where: {field: country, op: is, value: FR}
    groups:
      - {name: control, percent: 20, control: true}
      - {name: Socks, percent: 80, destinations: [klaviyo]}
remaining:
  groups:
    - {name: control, percent: 10, control: true}
    - {name: Shirts, percent: 90, destinations: [klaviyo]}
"""
LISTS = ("spring__french__socks__klaviyo", "spring__remaining__shirts__klaviyo")

Campaign = Callable[..., Result]


@pytest.fixture
def campaign(run: Run, project: Path) -> Campaign:
    """Call `audience-assets campaign ...` on a project that has one."""
    del run
    (project / "campaigns").mkdir()
    (project / "campaigns/spring.yaml").write_text(SPRING)

    def call(name: str, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["campaign", name, "--project", str(project), *arguments])

    return call


def groups(project: Path, campaign: str = "spring") -> dict[tuple[str, str], set[int]]:
    """Sub-audience and group -> keys of the stored recipients; nothing if none were ever stored."""
    with Runtime.open(project) as runtime, runtime.engine.connect() as connection:
        table = runtime.state.recipient(campaign, "integer")
        if not sa.inspect(connection).has_table(table.name):
            return {}
        found: dict[tuple[str, str], set[int]] = {}
        for row in connection.execute(sa.select(table)):
            found.setdefault((row.sub_audience, row.group_name), set()).add(row.user_key)
        return found


def test_check_shows_groups_lists_and_what_to_look_at(campaign: Campaign, project: Path) -> None:
    result = campaign("check")
    assert result.exit_code == 0, result.output
    assert "control, sent nothing" in result.stdout and "Spring_Socks at klaviyo" in result.stdout
    assert "warning: campaigns/spring.yaml:2: delivery: klaviyo.subscription_list keeps subscriptions" in result.stdout
    (project / "campaigns/spring.yaml").write_text(SPRING.replace("percent: 80", "percent: 79.99"))
    result = campaign("check")
    assert result.exit_code == 2
    assert "campaigns/spring.yaml:8: sub_audiences[0].groups: the percentages of 'French' total 99.99" in result.stderr


def test_a_preview_tells_sizes_and_keeps_nothing(campaign: Campaign, project: Path) -> None:
    result = campaign("preview", "spring", "--json")
    assert result.exit_code == 0, result.output
    told = answer(result)
    assert told["size"] == sum(people for group in told["groups"].values() for people in group.values())
    assert set(told["lists"]) == set(LISTS)
    socks = told["lists"][LISTS[0]]
    assert socks["customers"] == told["groups"]["French"]["Socks"]
    assert socks["customers"] == socks["rows"] - socks["expansion"] + sum(socks["shrink"].values())
    assert any("with fewer than 100" in each for each in told["warnings"])
    assert groups(project) == {}


def test_a_preview_warns_of_several_rows_of_a_customer(campaign: Campaign, project: Path) -> None:
    """Of a list with an attribute of a model that nothing keeps to one row; the delivery would be refused."""
    replace(
        project / "project.yaml",
        "\n  consents:\n",
        "\n  places: {type: custom, table: places, key: code, fields: {currency: {type: text}}}\n\n  consents:\n",
    )
    replace(
        project / "project.yaml",
        "relationships:\n",
        "relationships:\n  - {from: customers, to: places, kind: belongs_to, on: {country: code}}\n",
    )
    mapping = "{fields: {currency: place.currency}}"
    delivery = f"delivery: {{klaviyo: {{service: klaviyo.audience_list, mapping: {mapping}}}}}\n"
    (project / "campaigns/spring.yaml").write_text(SPRING + delivery)
    with Runtime.open(project) as runtime, runtime.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE places (code TEXT, currency TEXT)"))
        connection.execute(sa.text("INSERT INTO places VALUES ('FR', 'euro'), ('FR', 'franc')"))
    told = answer(campaign("preview", "spring", "--json"))
    socks = told["groups"]["French"]["Socks"]
    [warned] = [each for each in told["warnings"] if "several rows" in each]
    assert warned.startswith(f"{LISTS[0]}: {socks} customers of the audience have several rows in places")
    assert told["lists"][LISTS[0]]["expansion"] > 0
    shown = campaign("preview", "spring")
    assert shown.exit_code == 0 and f"warning: {LISTS[0]}: {socks} customers" in shown.stdout


def test_a_dry_run_writes_so_many_records_to_files_that_only_their_owner_reads(
    campaign: Campaign, project: Path, tmp_path: Path
) -> None:
    result = campaign("preview", "spring", "--out", str(tmp_path / "dry"), "--records", "3")
    assert result.exit_code == 0, result.output
    assert addresses(result.stdout) == []
    files = sorted((tmp_path / "dry").iterdir())
    assert [re.sub(r"\d{4}-\d\d-\d\d", "DAY", file.name) for file in files] == [
        "Spring_French_Socks_DAY_klaviyo.csv",
        "Spring_Remaining_Shirts_DAY_klaviyo.csv",
    ]
    for file in files:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        rows = list(csv.DictReader(file.read_text().splitlines()))
        assert len(rows) == 3 and all("@" in row["identifier"] for row in rows)
    assert groups(project) == {}


def test_a_delivered_campaign_holds_its_groups_and_no_control(
    campaign: Campaign, run: Run, project: Path, vendor: Vendor, tmp_path: Path
) -> None:
    planned = answer(campaign("plan", "spring", "--json"))
    assert [each["activation"] for each in planned] == list(LISTS)
    given = groups(project)
    assert [each["add"] for each in planned] == [
        len(given["French", "Socks"]),
        len(given["Remaining", "Shirts"]),
    ]
    result = run("sync", "--campaign", "spring", "--json")
    assert result.exit_code in (0, 4), result.output
    vendor.account.finish_jobs()
    with Runtime.open(project) as runtime, runtime.engine.connect() as connection:
        people = sa.table("customers", sa.column("customer_id"), sa.column("email"))
        emails = {row.customer_id: (row.email or "").lower() for row in connection.execute(sa.select(people))}
    sent = {
        (profile.email or "").lower()
        for name in ("Spring_Socks", "Spring_Shirts")
        for profile in vendor.account.members(vendor.account.list_named(name).id)
    }
    control = {emails[key] for (_, group), keys in given.items() if group == "control" for key in keys}
    assert control and sent and not control & sent
    result = campaign("recipients", "spring", "--out", str(tmp_path / "files"), "--json")
    files = {Path(each).name.rsplit("_", 1)[0]: Path(each) for each in answer(result)["files"]}
    assert set(files) == {
        "Spring_French_control",
        "Spring_French_Socks",
        "Spring_Remaining_control",
        "Spring_Remaining_Shirts",
    }
    rows = list(csv.DictReader(files["Spring_French_control"].read_text().splitlines()))
    assert {int(row["user_key"]) for row in rows} == given["French", "control"]
    assert {(row["campaign_name"], row["group_name"], row["is_control"]) for row in rows} <= {
        ("Spring", "control", "True"),
        ("Spring", "control", "1"),
    }
    assert {row["destinations"] for row in rows} == {""}
    treated = list(csv.DictReader(files["Spring_French_Socks"].read_text().splitlines()))
    assert {(row["destinations"], row["split_version"]) for row in treated} == {("klaviyo", "1")}


def test_status_tells_what_became_of_every_list(campaign: Campaign, run: Run, project: Path, vendor: Vendor) -> None:
    before = answer(campaign("status", "spring", "--json"))
    assert [(each["state"], each["customers"]) for each in before[0]["lists"]] == [("not yet", 0)] * 2
    with_guard = SPRING + "delivery: {klaviyo: {guard: {min_size: 100000}}}\n"
    (project / "campaigns/spring.yaml").write_text(with_guard)
    assert run("sync", LISTS[0]).exit_code == 3
    (project / "campaigns/spring.yaml").write_text(SPRING)
    delivered = run("sync", LISTS[1])
    assert delivered.exit_code in (0, 4), delivered.output
    result = campaign("status", "--json")
    assert result.exit_code == 1
    [told] = answer(result)
    socks, shirts = told["lists"]
    assert (socks["state"], socks["rows"]) == ("stopped by a guard", 0)
    assert "fewer than min_size 100000" in socks["error"]
    assert shirts["state"] in ("delivered", "partial") and shirts["rows"] > 0
    for each in told["lists"]:
        possible = each["customers"] - sum(each["shrink"].values()) + each["expansion"]
        assert each["rows"] + each["waiting"] == possible
    assert told["customers"] == sum(each["customers"] for each in told["lists"])
    shown = campaign("status", "spring").stdout
    assert "stopped by a guard" in shown and "spring: lists" in shown and not addresses(shown)
    assert vendor.account.list_named("Spring_Shirts")


def test_a_partial_delivery_is_called_so(campaign: Campaign, run: Run, project: Path, vendor: Vendor) -> None:
    replace(project / "destinations.yaml", "\n    api_key:", "\n    tries: 1\n    api_key:")
    vendor.sandbox.faults.add(Fault(Action.ERROR_BEFORE, endpoint="bulk_subscribe_profiles", status=503))
    synced = run("sync", "--campaign", "spring")
    assert synced.exit_code == 4, synced.output
    [told] = answer(campaign("status", "--json"))
    assert {each["state"] for each in told["lists"]} == {"partial"}


def test_lists_that_can_not_be_planned_make_no_table(campaign: Campaign, vendor: Vendor) -> None:
    """One message for each."""
    vendor.sandbox.faults.add(Fault(Action.ERROR_BEFORE, status=401))
    planned = campaign("plan", "spring")
    assert planned.exit_code == 1 and "at best" not in planned.stdout
    assert all(f"{name}: " in planned.stderr for name in LISTS)


def test_shrink_names_what_people_were_refused_for_and_not_what_members_lack(
    campaign: Campaign, run: Run, project: Path, vendor: Vendor
) -> None:
    audience = "delivery: {klaviyo: {service: klaviyo.audience_list, mapping: {identifiers: {phone: phone}}}}\n"
    (project / "campaigns/spring.yaml").write_text(SPRING + audience)
    assert campaign("plan", "spring").exit_code == 0
    shirts = sorted(groups(project)["Remaining", "Shirts"])[:2]
    with Runtime.open(project) as runtime, runtime.engine.begin() as connection:
        connection.execute(sa.text("UPDATE customers SET phone = '12'"))
        wrong = sa.text("UPDATE customers SET email = 'nobody-' || customer_id WHERE customer_id IN :people")
        connection.execute(wrong.bindparams(sa.bindparam("people", shirts, expanding=True)))
    assert run("sync", LISTS[1]).exit_code == 0
    assert "invalid_phone" in run("rejections", LISTS[1]).stdout
    shrink = answer(campaign("status", "--json"))[0]["lists"][1]["shrink"]
    assert list(shrink) == ["refused: invalid_email"] and shrink["refused: invalid_email"] >= len(shirts)
    assert vendor.account.list_named("Spring_Shirts")


def test_status_without_a_campaign_says_so(run: Run, project: Path) -> None:
    del run
    result = CliRunner().invoke(main, ["campaign", "status", "--project", str(project)])
    assert (result.exit_code, result.stdout) == (0, "The project declares no campaign.\n")


def test_insights_and_overlap_of_a_treatment_group(campaign: Campaign, run: Run, project: Path) -> None:
    del campaign
    name = "spring.french.socks"
    told = answer(run("insights", name, "--json"))
    given = groups(project)["French", "Socks"]
    assert (told["segment"], told["size"], told["waterfall"]) == (name, len(given), [])
    assert told["lists"][LISTS[0]]["destination"] == "klaviyo"
    assert told["reach"] and told["revenue"] and told["trend"][-1]["size"] == len(given)
    assert name in run("insights", name).stdout
    pairs = answer(run("overlap", name, "newsletter", "spring.remaining.shirts", "--json"))["pairs"]
    assert {tuple(pair["segments"]): pair["both"] for pair in pairs}[name, "newsletter"] == len(given)
    refused = run("insights", "spring.french.control")
    assert (
        refused.exit_code == 2 and "no segment or treatment group is called 'spring.french.control'" in refused.stderr
    )


def test_a_draft_is_previewed_and_gives_nobody_a_group(campaign: Campaign, run: Run, project: Path) -> None:
    (project / "campaigns/spring.yaml").write_text(f"{SPRING}state: draft\n")
    assert "Spring (draft)" in campaign("check").stdout
    assert answer(campaign("preview", "spring", "--json"))["size"] > 0
    calls = [campaign(name, "spring") for name in ("plan", "recipients")]
    calls += [run("sync", "--campaign", "spring"), run("sync", LISTS[0]), run("sync", LISTS[0], "--no-refresh")]
    for refused in (*calls, run("plan", LISTS[0])):
        assert refused.exit_code == 1, refused.output
        assert "campaign spring is a draft (campaigns/spring.yaml:15)" in refused.stderr
    assert groups(project) == {}
    assert LISTS[0] not in run("status").stdout


def test_an_archived_campaign_leaves_its_lists_and_groups_as_they_are(
    campaign: Campaign, run: Run, project: Path, vendor: Vendor
) -> None:
    assert run("sync", "--campaign", "spring").exit_code in (0, 4)
    vendor.account.finish_jobs()
    given, calls = groups(project), len(vendor.sandbox.requests)
    listed = vendor.account.list_named("Spring_Socks").id
    members = {profile.id for profile in vendor.account.members(listed)}
    assert given and members
    (project / "campaigns/spring.yaml").write_text(f"{SPRING}state: archived\n")
    for refused in (run("sync", "--campaign", "spring"), run("sync", LISTS[0]), campaign("plan", "spring")):
        assert refused.exit_code == 1 and "campaign spring is archived" in refused.stderr
    assert len(vendor.sandbox.requests) == calls
    assert {profile.id for profile in vendor.account.members(listed)} == members
    assert sum(answer(campaign("recipients", "spring", "--json"))["groups"]["French"].values()) > 0
    assert groups(project) == given
    [told] = answer(campaign("status", "--json"))
    assert told["state"] == "archived" and told["lists"][0]["rows"] == len(members)
    assert LISTS[0] in run("status").stdout and "kept by no activation" not in run("status").stdout


def test_a_campaign_under_another_id_does_not_take_the_lists_over(
    campaign: Campaign, run: Run, project: Path, vendor: Vendor
) -> None:
    """It draws everybody anew: whoever was treated may be control now, and would stay in the list."""
    assert run("sync", "--campaign", "spring").exit_code in (0, 4)
    vendor.account.finish_jobs()
    listed = vendor.account.list_named("Spring_Socks").id
    members = {profile.id for profile in vendor.account.members(listed)}
    (project / "campaigns/spring.yaml").rename(project / "campaigns/spring_two.yaml")
    refused = run("sync", "--campaign", "spring_two")
    assert refused.exit_code == 1
    assert f"the list 'Spring_Socks' at klaviyo holds {len(members)} members of {LISTS[0]}" in refused.stderr
    assert {profile.id for profile in vendor.account.members(listed)} == members
    assert answer(campaign("status", "spring_two", "--json"))[0]["lists"][0]["state"] == "failed"
    text = SPRING.replace("name: Spring", "name: Spring two")
    (project / "campaigns/spring_two.yaml").write_text(text)
    assert run("sync", "--campaign", "spring_two").exit_code in (0, 4)


def test_a_copied_campaign_needs_another_name_and_draws_anew(campaign: Campaign, project: Path) -> None:
    assert campaign("recipients", "spring").exit_code == 0
    copy = project / "campaigns/spring_again.yaml"
    copy.write_text(SPRING)
    refused = campaign("check")
    assert refused.exit_code == 2
    assert "spring_again.yaml:2: name: the campaign 'spring' is called 'Spring' as well" in refused.stderr
    copy.write_text("campaign: spring\n" + SPRING)
    assert "there is a campaign 'spring' already" in campaign("check").stderr
    copy.write_text(SPRING.replace("name: Spring", "name: Spring again"))
    first = groups(project)
    assert campaign("recipients", "spring_again").exit_code == 0
    assert groups(project) == first
    again = groups(project, "spring_again")
    assert set(again) == set(first) and again != first


def test_syncing_all_leaves_campaigns_to_their_time(campaign: Campaign, run: Run, vendor: Vendor) -> None:
    del campaign, vendor
    told = answer(run("sync", "--all", "--json"))
    assert {each["activation"] for each in told} == {"newsletter", "vips"}


def test_names_are_offered(campaign: Campaign) -> None:
    result = campaign("preview", "sprig")
    assert result.exit_code == 2 and "no campaign is called 'sprig': did you mean 'spring'?" in result.stderr
    result = campaign("recipient", "spring")
    assert result.exit_code == 2 and "did you mean 'recipients'?" in result.stderr


def test_recipients_that_were_never_computed(campaign: Campaign) -> None:
    result = campaign("recipients", "spring", "--no-refresh")
    assert result.exit_code == 2 and "was never computed" in result.stderr


def test_results_are_a_table_a_picture_and_a_file(campaign: Campaign, project: Path, tmp_path: Path) -> None:
    with (project / "project.yaml").open("a") as file:
        file.write("holdouts: {universal: {percent: 30}}\n")
    refused = campaign("results", "spring")
    assert refused.exit_code == 1
    assert "campaign spring was never computed" in refused.stderr
    assert campaign("recipients", "spring").exit_code == 0
    launch = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    keys = sorted(key for people in groups(project).values() for key in sorted(people)[::2])
    columns = "order_id, customer_id, ordered_at, amount, channel, status"
    with Runtime.open(project) as runtime, runtime.engine.begin() as connection:
        connection.execute(
            sa.text(f"INSERT INTO orders ({columns}) VALUES (:id, :key, :at, 10 + :key, 'online', 'paid')"),
            [{"id": 900_000 + key, "key": key, "at": f"{launch} 12:00:00"} for key in keys],
        )
    told = answer(campaign("results", "spring", "--launch", launch, "--out", str(tmp_path / "out"), "--json"))
    own, held = ([row for row in told["rows"] if row["comparison"] == what] for what in ("control", "holdout"))
    assert {(row["sub_audience"], row["group"]) for row in own} == set(groups(project))
    assert all(row["recipients"] == len(groups(project)[row["sub_audience"], row["group"]]) for row in own)
    assert [row["group"] for row in held] == ["held out", "reached"]
    assert held[1]["recipients"] == len(set().union(*groups(project).values())) and held[0]["recipients"] > 0
    assert Path(told["file"]).name == f"Spring_results_{launch}_7d.csv"
    with Path(told["file"]).open(newline="", encoding="utf-8") as file:
        assert [row["group"] for row in csv.DictReader(file)] == [row["group"] for row in told["rows"]]
    shown = campaign("results", "spring", "--launch", launch, "--cap", "99.9").stdout
    assert "everybody, and the holdout universal" in shown and "over held out" in shown
    assert "French: revenue counts up to" in shown
    assert "Socks   conversion" in shown or "Socks  conversion" in shown
    assert "●" in shown and "├" in shown
    assert "warning: the window of 7 days is not over yet" in shown
    assert not addresses(shown)


def test_a_preview_tells_the_smallest_lift_that_can_be_shown(campaign: Campaign, project: Path) -> None:
    useful = "measurement: {window_days: 365, useful_lift_percent: 10}\n"
    (project / "campaigns/spring.yaml").write_text(SPRING + useful)
    told = answer(campaign("preview", "spring", "--json"))
    assert [(each["sub_audience"], each["group"]) for each in told["outlook"]] == [
        ("French", "Socks"),
        ("Remaining", "Shirts"),
    ]
    assert all(each["rate_lift"] is None or each["rate_lift"] > 0.1 for each in told["outlook"])
    assert any("10% would be useful" in warning for warning in told["warnings"])
    assert "the smallest lifts that would be found in 4 of 5 such campaigns" in campaign("preview", "spring").stdout
