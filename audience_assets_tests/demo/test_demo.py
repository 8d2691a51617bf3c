"""The demo end to end, with fewer customers."""

from __future__ import annotations

import io
import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from rich.console import Console

from audience_assets.cli import main
from audience_assets.demo.run import demo
from audience_assets.demo.tables import CONSENTS, CUSTOMERS
from audience_assets.demo.vendor import account_of
from audience_assets.demo.workspace import Workspace, environment
from audience_assets.destinations.identifiers import normal_email
from audience_assets.runtime import Runtime
from audience_assets.sandbox.klaviyo import KlaviyoAccount
from audience_assets.sync import latest_syncs

LISTS = {"newsletter": "Newsletter", "vips": "VIPs", "welcome": "Welcome series", "win_back": "Win-back"}


@dataclass(frozen=True)
class Played:
    """A demo that has come to its end, its sandbox still up."""

    workspace: Workspace
    account: KlaviyoAccount
    url: str
    told: str

    def members(self, activation: str) -> set[str | None]:
        list_id = self.account.list_named(LISTS[activation]).id
        return {profile.email for profile in self.account.members(list_id)}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    text = io.StringIO()
    folder = tmp_path_factory.mktemp("demo")
    console = Console(file=text, width=200, highlight=False)
    with demo(folder, customers=2000, console=console) as sandbox:
        yield Played(Workspace(folder), account_of(sandbox), sandbox.url, text.getvalue())


def test_every_list_holds_what_its_ledger_says(played: Played) -> None:
    with Runtime.open(played.workspace.project) as runtime:
        syncs = latest_syncs(runtime)
    assert set(syncs) == set(LISTS)
    for activation, sync in syncs.items():
        assert sync["state"] in ("delivered", "unchanged")
        assert sync["report"]["members_after"] == len(played.members(activation)) > 0, activation


def test_the_day_is_delivered(played: Played) -> None:
    """Whoever opted out in the shop that day is in no newsletter; whoever moved is in it with the new address only."""
    with Runtime.open(played.workspace.project) as runtime, runtime.engine.connect() as connection:
        today = set(connection.scalars(sa.select(CONSENTS.c.customer_id).where(CONSENTS.c.source == "account page")))
        people = connection.execute(sa.select(CUSTOMERS.c.customer_id, CUSTOMERS.c.email)).all()
    owners = Counter(normal_email(email) for _, email in people)
    # An address that somebody else in the house has too stays for their sake.
    left = {normal_email(email) for number, email in people if number in today} - {
        address for address, number in owners.items() if number > 1
    }
    moved = {email for _, email in people if email and email.endswith("@new.example.org")}
    readers = played.members("newsletter")
    assert left
    assert not left & readers
    assert moved & readers
    movers = {address.partition("@")[0] for address in moved}
    assert not {address for address in readers - moved if address and address.partition("@")[0] in movers}


def test_nobody_who_opted_out_at_the_vendor_last_is_opted_in(played: Played) -> None:
    """Our writes never follow a person's own later decision."""
    own = {change.email for change in played.account.audit if change.origin == "person" and change.email}
    assert own
    for address in own:
        held = played.account.consent(address)
        assert held is not None
        assert held.status == "UNSUBSCRIBED", "the shop knows of no later consent"


def test_it_tells_what_a_person_wants_to_see(played: Played) -> None:
    for words in (*LISTS.values(), "First delivery", "A day goes by", "Delivery after that day", "at best"):
        assert words in played.told
    for reason in ("vendor_opt_out", "invalid_email", "consent_at_missing", "sms_unavailable_in_region"):
        assert reason in played.told
    assert "pk_" not in played.told


def test_dagster_keeps_the_history(played: Played) -> None:
    with environment(played.workspace.environment(played.url)), dg.DagsterInstance.get() as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * len(runs)
        assert len(runs) >= 2
        for activation in LISTS:
            event = instance.get_latest_materialization_event(dg.AssetKey(["klaviyo", activation]))
            assert event is not None


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
    assert dict(os.environ) == variables
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= threads
