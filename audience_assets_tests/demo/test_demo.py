"""The demo end to end, with fewer customers."""

from __future__ import annotations

import io
import json
import os
import stat
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from rich.console import Console

from audience_assets.cli import main
from audience_assets.definitions import build_definitions
from audience_assets.demo.run import Stage, demo
from audience_assets.demo.tables import CONSENTS, CUSTOMERS
from audience_assets.demo.vendors.dotdigital import DotdigitalShop
from audience_assets.demo.vendors.emarsys import EmarsysShop
from audience_assets.demo.vendors.iterable import CLUB_FIELD, SPENT_FIELD, IterableShop
from audience_assets.demo.vendors.klaviyo import KlaviyoShop
from audience_assets.demo.workspace import environment
from audience_assets.destinations.identifiers import normal_email
from audience_assets.runtime import Runtime
from audience_assets.sync import latest_syncs, open_rejections

LISTS = {
    "newsletter": "Newsletter", "vips": "VIPs", "welcome": "Welcome series", "win_back": "Win-back",
    "sock_mailing": "Sock fans", "agency": "Sock fans by file",
    "sock_fans": "Sock fans", "letter": "Newsletter", "best_customers": "VIPs", "retention": "Win-back",
}  # fmt: skip
AT_KLAVIYO = ("newsletter", "vips", "welcome", "win_back", "sock_mailing", "agency")


@dataclass(frozen=True)
class Played:
    """A demo that has come to its end, its sandbox still up, and the text that it printed."""

    stage: Stage
    told: str
    klaviyo: KlaviyoShop
    iterable: IterableShop
    emarsys: EmarsysShop
    dotdigital: DotdigitalShop

    @property
    def project(self) -> Path:
        return self.stage.workspace.project

    def readers(self) -> set[str | None]:
        account = self.klaviyo.account
        return {profile.email for profile in account.members(account.list_named("Newsletter").id)}

    def size_at_vendor(self, activation: str) -> int:
        """Members of the list as the vendor has it."""
        name = LISTS[activation]
        if activation == "sock_fans":
            return len(self.iterable.project.list_named(name))
        if activation == "letter":
            return len(self.emarsys.account.list_named(name).members)
        if activation in AT_KLAVIYO:
            return len(list(self.klaviyo.account.members(self.klaviyo.account.list_named(name).id)))
        return len(self.dotdigital.account.list_named(name).ids())

    def reasons(self, activation: str) -> dict[str, str | None]:
        """Reasons of open rejections with an example of the details."""
        with Runtime.open(self.project) as runtime:
            return {each.reason: each.detail for each in open_rejections(runtime, activation)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    text = io.StringIO()
    console = Console(file=text, width=200, highlight=False)
    with demo(tmp_path_factory.mktemp("demo"), customers=2000, console=console) as stage:
        yield Played(stage, text.getvalue(), *stage.accounts)  # type: ignore[arg-type]


def test_every_list_holds_what_its_ledger_says(played: Played) -> None:
    with Runtime.open(played.project) as runtime:
        syncs = latest_syncs(runtime)
    assert {name for name in syncs if not name.startswith("win_back_gifts__")} == set(LISTS)
    for activation, sync in ((name, syncs[name]) for name in LISTS):
        assert sync["state"] in ("delivered", "unchanged")
        # Who unsubscribed from the one list by themselves that day is a member to us, and to Dotdigital no more.
        by_themselves = len(played.dotdigital.tired) if activation == "best_customers" else 0
        held = played.size_at_vendor(activation) + by_themselves
        assert sync["report"]["members_after"] == held > 0, activation


def test_a_campaigns_lists_hold_its_treatments_and_nobody_in_control(played: Played) -> None:
    with Runtime.open(played.project) as runtime, runtime.engine.connect() as connection:
        table = runtime.state.recipient("win_back_gifts", "integer")
        people = sa.table("merged_customers", sa.column("customer_id"), sa.column("email"))
        query = sa.select(table.c.group_name, people.c.email)
        rows = connection.execute(query.join(people, people.c.customer_id == table.c.user_key)).all()
    addresses = {group: {normal_email(row.email) for row in rows if row.group_name == group} for group, _ in rows}
    account = played.klaviyo.account
    account.finish_jobs()
    lists = [each for each in account.lists if each.name.startswith("Win-back gifts_")]
    assert {each.name for each in lists} == {
        "Win-back gifts_Socks", "Win-back gifts_France_Voucher", "Win-back gifts_Elsewhere_Voucher",
    }  # fmt: skip
    listed = {normal_email(profile.email or "") for each in lists for profile in account.members(each.id)}
    assert addresses["control"] and listed
    assert not listed & (addresses["control"] - addresses["Socks"] - addresses["Voucher"])


def test_an_audience_list_carries_attributes_of_another_model(played: Played) -> None:
    account = played.klaviyo.account
    fans = [profile.attributes or {} for profile in account.members(account.list_named("Sock fans").id)]
    assert fans and all({"first_name", "city", "last_order_at", "loyal_since"} <= _named(each) for each in fans)


def _named(attributes: Mapping[str, Any]) -> set[str]:
    """Klaviyo's own attributes, those of the location and custom ones."""
    return {*attributes, *attributes.get("location", {}), *attributes.get("properties", {})}


def test_iterable_creates_the_new_field_and_refuses_what_is_no_date(played: Played) -> None:
    project = played.iterable.project
    assert project.fields.types[SPENT_FIELD] == "double"
    assert played.reasons("sock_fans") == {"type_mismatch": "Iterable's field is date, the value is string"}
    fans = [user.data or {} for user in project.members(project.list_named("Sock fans").id)]
    assert any(CLUB_FIELD in data for data in fans) and all(SPENT_FIELD in data for data in fans)


def test_emarsys_creates_nobody_and_takes_no_shared_address(played: Played) -> None:
    account = played.emarsys.account
    assert "several_contacts" in played.reasons("letter")
    members = [contact.email for contact in account.members(account.list_named("Newsletter").id)]
    assert all(email and len(account.find(email)) == 1 for email in members)


def test_dotdigital_subscribes_nobody_again(played: Played) -> None:
    account = played.dotdigital.account
    assert account.list_named("VIPs").visibility == "Public"
    assert account.list_named("Win-back").visibility == "Private"
    assert [change for change in account.audit if change.origin != "person"] == []
    opted_out = {contact.id for contact in account.contacts if contact.email_status in ("unsubscribed", "suppressed")}
    listed = {number for name in ("VIPs", "Win-back") for number in account.list_named(name).ids()}
    assert opted_out & listed, "in a list, and not mailed"


def test_the_day_is_delivered(played: Played) -> None:
    """Whoever opted out in the shop that day is in no newsletter; whoever moved is in it with the new address only."""
    with Runtime.open(played.project) as runtime, runtime.engine.connect() as connection:
        today = set(connection.scalars(sa.select(CONSENTS.c.customer_id).where(CONSENTS.c.source == "account page")))
        people = connection.execute(sa.select(CUSTOMERS.c.customer_id, CUSTOMERS.c.email)).all()
    owners = Counter(normal_email(email) for _, email in people)
    # An address that somebody else in the house has too stays for their sake.
    left = {normal_email(email) for number, email in people if number in today} - {
        address for address, number in owners.items() if number > 1
    }
    moved = {email for _, email in people if email and email.endswith("@new.example.org")}
    readers = played.readers()
    assert left
    assert not left & readers
    assert moved & readers
    movers = {address.partition("@")[0] for address in moved}
    assert not {address for address in readers - moved if address and address.partition("@")[0] in movers}


def test_nobody_who_opted_out_at_the_vendor_last_is_opted_in(played: Played) -> None:
    """Our writes never follow a person's own later decision."""
    own = {change.email for change in played.klaviyo.account.audit if change.origin == "person" and change.email}
    assert own
    for address in own:
        held = played.klaviyo.account.consent(address)
        assert held is not None
        assert held.status == "UNSUBSCRIBED", "the shop knows of no later consent"


def test_it_tells_what_a_person_wants_to_see(played: Played) -> None:
    for words in (*LISTS.values(), "First delivery", "A day goes by", "Delivery after that day", "at best"):
        assert words in played.told
    for title in ("Klaviyo", "Iterable", "Emarsys", "Dotdigital"):
        assert f"{title} " in played.told
    reasons = ("vendor_opt_out", "invalid_email", "consent_at_missing", "sms_unavailable_in_region", "type_mismatch")
    for reason in (*reasons, "several_contacts"):
        assert reason in played.told
    assert "sandbox_only" not in played.told, "no secret"


def test_dagster_keeps_the_history(played: Played) -> None:
    with environment(played.stage.variables), dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * len(runs)
        assert len(runs) >= 2
        for activation in AT_KLAVIYO:
            event = instance.get_latest_materialization_event(dg.AssetKey(["klaviyo", activation]))
            assert event is not None


def test_a_lists_page_in_dagster_tells_what_matters_there(played: Played) -> None:
    told = descriptions(played.project)
    assert "| consent.resubscribe |" in told["klaviyo/vips"]
    for name in ("iterable/sock_fans", "emarsys/letter", "dotdigital/best_customers"):
        assert "| consent." not in told[name], "a service without consent"
    with environment(played.stage.variables), dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["iterable", "sock_fans"]))
    assert event is not None and event.asset_materialization is not None
    assert event.asset_materialization.metadata["list_type"].value == "Standard"


def descriptions(project: Path) -> dict[str, str]:
    graph = build_definitions(project).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).description or "" for key in graph.materializable_asset_keys}


def test_commands_in_the_demos_folder_find_its_sandbox(played: Played) -> None:
    elsewhere = dict.fromkeys(played.stage.variables)
    result = CliRunner().invoke(main, ["doctor", "--project", str(played.project)], env=elsewhere)
    assert result.exit_code == 0, result.output
    assert "SFTP login: demo_shop may come in" in result.stdout
    assert stat.S_IMODE((played.project / ".env").stat().st_mode) == 0o600


def test_insights_find_who_can_be_reached_by_sms(played: Played) -> None:
    """However the shop writes their numbers."""
    command = ["insights", "new_with_sms", "--no-refresh", "--json", "--project", str(played.project)]
    result = CliRunner().invoke(main, command, env=dict.fromkeys(played.stage.variables))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["reach"]["sms"]["consented"] == found["size"] > 0


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "project" / "thesis.txt"
    mine.parent.mkdir()
    mine.write_text("years of work")
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path), "--customers", "500"])
    assert result.exit_code == 1
    assert "is not a demo's and would be lost" in result.stderr
    assert mine.read_text() == "years of work"


def test_the_command_ends_by_itself_and_leaves_nothing_running(tmp_path: Path) -> None:
    variables, threads = dict(os.environ), set(threading.enumerate())
    result = CliRunner().invoke(main, ["demo", "--customers", "500", "--folder", str(tmp_path / "work")])
    assert result.exit_code == 0, result.output
    assert "audience-assets ui" in result.stdout
    assert not (tmp_path / "work/project/.env").exists()
    assert dict(os.environ) == variables
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= threads
