"""An audience that goes to Klaviyo in files, through the whole engine: churn, leavers, breakdowns, killed processes."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import Any

import pytest

from audience_assets.destinations.base import Misconfigured
from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault
from audience_assets.sync import SyncBusy, open_rejections, run_sync
from audience_assets_tests.processes import PROCESSES
from audience_assets_tests.sync.killed import sync_project_until
from audience_assets_tests.sync.sftp_shop import (
    SECRETS,
    SFTP_IMPORT,
    MakeSftpShop,
    SftpShop,
    email,
    emails,
    make_sftp_shop,
)

__all__ = ["make_sftp_shop"]

BY_EMAIL = SFTP_IMPORT.replace(", phone: phone", "")
# The process is killed by the vendor's side, at none of its statements.
NEVER = -1


@pytest.fixture
def shop(make_sftp_shop: MakeSftpShop) -> SftpShop:
    shop = make_sftp_shop()
    shop.people(30)
    return shop


def tier(shop: SftpShop, number: int) -> Any:
    profile = shop.account.find(email(number))
    return profile and (profile.attributes or {}).get("properties", {}).get("tier")


def test_a_list_follows_its_audience(shop: SftpShop) -> None:
    shop.vips(range(1, 21))
    plan = shop.plan()
    assert (plan.counts.add, plan.list_name, plan.list_exists) == (20, "VIPs", False)
    assert {call.endpoint.name: call.calls for call in plan.estimate} == {"put_file": 1, "get_profiles": 1}
    assert shop.calls_by("SFTP") == 0, "a plan writes nothing"
    first = shop.sync()
    assert (first.added, first.state, first.members_after) == (20, "delivered", 20)
    assert shop.members() == emails(*range(1, 21))
    assert shop.imported() == [20]
    assert shop.files()[0].startswith("vips-")

    shop.change(3, tier="silver")
    shop.change(4, phone="+447400123451")
    shop.change(5, email="new5@shop-customers.com")
    shop.vips([*range(3, 21), 25])
    second = shop.sync()
    assert (second.added, second.updated, second.removed, second.kept) == (2, 2, 3, 0)
    assert shop.members() == emails(3, 4, *range(6, 21), 25) | {"new5@shop-customers.com"}
    assert shop.imported() == [20, 4]
    assert tier(shop, 3) == "silver"
    assert tier(shop, 1) == "gold", "who leaves keeps the profile"
    four = shop.account.find(email(4))
    assert four is not None
    assert four.phone_number == "+447400123451"
    assert shop.account.audit == [], "nobody's consent was touched"

    before = len(shop.sandbox.requests)
    assert shop.sync().state == "unchanged"
    assert len(shop.sandbox.requests) == before


def test_without_an_api_key_the_list_keeps_who_leaves_and_the_report_says_so(make_sftp_shop: MakeSftpShop) -> None:
    shop = make_sftp_shop(activation=f"{BY_EMAIL}options: {{list_id: LISTID}}\n", account_settings="")
    made = shop.account.create_list("Made by hand")
    file = shop.root / "activations/vips.yaml"
    file.write_text(file.read_text().replace("LISTID", made.id))
    shop.runtime.close()
    shop.runtime = Runtime.open(shop.root)
    shop.people(10)
    shop.vips(range(1, 11))
    assert shop.sync().added == 10
    shop.vips(range(4, 11))
    report = shop.sync()
    assert (report.removed, report.kept, report.members_after) == (0, 3, 7)
    assert report.list_facts["leavers"] == "stay in the list"
    assert [(row.reason, row.rows) for row in open_rejections(shop.runtime, "vips")] == [("stays_in_list", 3)]
    assert shop.members(made.id) == emails(*range(1, 11))
    assert shop.sync().state == "unchanged"
    shop.vips(range(3, 11))
    assert shop.sync().added == 1
    assert [row.rows for row in open_rejections(shop.runtime, "vips")] == [2]
    assert not [entry for entry in shop.sandbox.requests if entry.method != "SFTP"], "the API was never called"


def test_profiles_alone_are_put_into_no_list(make_sftp_shop: MakeSftpShop) -> None:
    shop = make_sftp_shop(activation=f"{BY_EMAIL}options: {{add_to_list: false}}\n", account_settings="")
    shop.people(10)
    shop.vips(range(1, 11))
    assert shop.sync().added == 10
    shop.vips(range(4, 11))
    report = shop.sync()
    assert (report.removed, report.kept) == (3, 0), "no list holds them"
    assert shop.imported() == [10]
    assert shop.account.lists == []
    assert shop.account.contacts == 10


@pytest.mark.parametrize(
    ("options", "said"), [("{}", "list_id"), ("{list_id: AbCdEf, leavers: remove}", "needs an api_key")]
)
def test_what_takes_an_api_key_is_said(make_sftp_shop: MakeSftpShop, options: str, said: str) -> None:
    shop = make_sftp_shop(activation=f"{BY_EMAIL}options: {options}\n", account_settings="")
    shop.people(3)
    shop.vips([1])
    with pytest.raises(Misconfigured, match=said):
        shop.sync()


def test_numbers_that_nobody_can_look_up_are_a_mistake(make_sftp_shop: MakeSftpShop) -> None:
    options = "options: {add_to_list: false, unchecked_identifiers: true}\n"
    shop = make_sftp_shop(activation=f"{SFTP_IMPORT}{options}", account_settings="")
    shop.people(3)
    shop.vips([1, 2, 3])
    assert shop.sync().added == 3
    file = shop.root / "activations/vips.yaml"
    file.write_text(file.read_text().replace(", unchecked_identifiers: true", ""))
    with pytest.raises(ProjectError, match=r"somebody else's .*unchecked_identifiers"):
        load_project(shop.root)


def test_a_line_that_breaks_leaves_the_rest_to_the_next_sync(shop: SftpShop) -> None:
    shop.vips(range(1, 21))
    shop.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write"))
    report = shop.sync()
    assert (report.added, report.retry, report.state) == (0, 20, "partial")
    assert shop.files() == []
    assert shop.imported() == []
    shop.sandbox.faults.clear()
    assert shop.sync().added == 20
    assert shop.members() == emails(*range(1, 21))
    assert shop.sync().state == "unchanged"


@pytest.mark.parametrize(
    ("moment", "call", "rows"),
    [
        (Action.HOOK_BEFORE, "sftp_write", [20]),
        (Action.HOOK_BEFORE, "sftp_stat", [20]),
        (Action.HOOK_AFTER, "sftp_rename", [20, 20]),
    ],
)
def test_killed_before_and_after_the_rename(shop: SftpShop, moment: Action, call: str, rows: list[int]) -> None:
    """Before it nothing is imported; after it everything is, and the next sync, which can't know, imports it again."""
    shop.vips(range(1, 21))
    url = shop.runtime.engine.url.render_as_string(hide_password=False)
    given = (str(shop.root), url, SECRETS, "vips", datetime.now(UTC), NEVER)
    process = PROCESSES.Process(target=sync_project_until, args=given, daemon=True)

    def kill(_: object) -> None:
        os.kill(process.pid or 0, signal.SIGKILL)

    shop.sandbox.faults.add(Fault(moment, call, times=1, hook=kill))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    shop.sandbox.faults.clear()
    report = shop.sync()
    assert (report.state, report.recovered, report.added) == ("delivered", 20, 20)
    assert shop.imported() == rows
    assert shop.members() == emails(*range(1, 21))
    assert shop.sync().state == "unchanged"


def test_a_second_sync_of_the_list_waits_for_its_turn(shop: SftpShop) -> None:
    shop.vips(range(1, 21))
    refused: list[BaseException] = []

    def meanwhile(_: object) -> None:
        try:
            with Runtime.open(shop.root) as second:
                run_sync(second, "vips", as_of=datetime.now(UTC))
        except SyncBusy as error:
            refused.append(error)

    shop.sandbox.faults.add(Fault(Action.HOOK_BEFORE, "sftp_rename", times=1, hook=meanwhile))
    assert shop.sync().added == 20
    assert len(refused) == 1
    assert shop.imported() == [20]


def test_a_private_key_does_not_belong_in_a_file(shop: SftpShop) -> None:
    file = shop.root / "destinations.yaml"
    file.write_text(file.read_text().replace("{env: KLAVIYO_SFTP_PRIVATE_KEY}", "abcdef-secret"))
    with pytest.raises(ProjectError, match="a secret does not belong in a file") as found:
        load_project(shop.root)
    assert "abcdef-secret" not in str(found.value)


def test_two_columns_of_one_header_are_a_mistake(shop: SftpShop) -> None:
    file = shop.root / "activations/vips.yaml"
    file.write_text(file.read_text().replace("{tier: tier}", "{Email: tier}"))
    with pytest.raises(ProjectError, match="same header"):
        load_project(shop.root)
