"""An audience list that takes files for a large load and calls for a small one."""

from __future__ import annotations

import pytest

from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.sync.sftp_shop import WITH_KEY, MakeSftpShop, SftpShop, email, emails, make_sftp_shop

__all__ = ["make_sftp_shop"]

AUDIENCE_LIST = """\
service: klaviyo.audience_list
mapping:
  identifiers: {email: email}
  fields: {tier: tier}
"""
# Thirty people take more than a second by calls: twenty imports, of which ten a second are allowed.
SMALL_IMPORTS = (
    f"{WITH_KEY}    profiles_per_import: 3\n    import_poll_seconds: 0\n    import_patience_seconds: 0\n"
    "    settle_seconds: 0\n"
)


def shop_of(make: MakeSftpShop, options: str) -> SftpShop:
    shop = make(activation=f"{AUDIENCE_LIST}options: {options}\n", account_settings=SMALL_IMPORTS)
    shop.account.switches.job_queued = shop.account.switches.job_processing = 0.0
    shop.people(40)
    return shop


def test_auto_takes_a_file_for_a_large_load_and_calls_for_a_small_one(make_sftp_shop: MakeSftpShop) -> None:
    shop = shop_of(make_sftp_shop, "{sftp_from_minutes: 0.01}")
    shop.vips(range(1, 31))
    plan = shop.plan()
    ways = {each.name: each for each in plan.routes}
    assert (plan.route, ways["sftp"].chosen, ways["api"].chosen) == ("sftp", True, False)
    assert ways["api"].seconds > ways["sftp"].seconds > 0
    assert {call.endpoint.name: call.calls for call in plan.estimate}["put_file"] == 1
    assert shop.files() == [], "a plan writes nothing"
    first = shop.sync()
    assert (first.added, first.route, first.state) == (30, "sftp", "delivered")
    assert shop.imported() == [30]
    assert shop.members() == emails(*range(1, 31))

    shop.vips(range(3, 32))
    second = shop.sync()
    assert (second.added, second.removed, second.route) == (1, 2, "api")
    assert shop.imported() == [30], "no further file"
    assert shop.members() == emails(*range(3, 32))
    assert shop.account.audit == []
    assert shop.sync().state == "unchanged"


def test_what_becomes_empty_is_cleared_by_calls_on_either_way(make_sftp_shop: MakeSftpShop) -> None:
    shop = shop_of(make_sftp_shop, "{route: sftp}")
    shop.vips(range(1, 11))
    assert shop.sync().route == "sftp"
    shop.members()
    shop.change(1, tier=None)
    shop.change(2, tier="silver")
    report = shop.sync()
    assert (report.updated, report.route) == (2, "sftp")
    assert shop.members() == emails(*range(1, 11))
    tiers = {}
    for number in (1, 2, 3):
        profile = shop.account.find(email(number))
        assert profile is not None
        tiers[number] = (profile.attributes or {}).get("properties", {}).get("tier")
    assert tiers == {1: None, 2: "silver", 3: "gold"}
    assert shop.imported() == [10, 1]


def test_api_never_takes_a_file(make_sftp_shop: MakeSftpShop) -> None:
    shop = shop_of(make_sftp_shop, "{route: api}")
    shop.vips(range(1, 31))
    assert shop.plan().routes == []
    report = shop.sync()
    assert (report.added, report.route) == (30, None)
    assert shop.calls_by("SFTP") == 0


def test_a_broken_line_leaves_a_large_load_to_the_next_sync(make_sftp_shop: MakeSftpShop) -> None:
    shop = shop_of(make_sftp_shop, "{route: sftp}")
    shop.vips(range(1, 31))
    shop.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write"))
    assert shop.sync().state == "partial"
    shop.sandbox.faults.clear()
    assert shop.sync().added == 30
    assert shop.members() == emails(*range(1, 31))


def test_a_route_without_a_way_in_is_a_mistake(make_sftp_shop: MakeSftpShop) -> None:
    shop = shop_of(make_sftp_shop, "{route: sftp}")
    file = shop.root / "destinations.yaml"
    kept = [line for line in file.read_text().splitlines() if "sftp_username" not in line]
    file.write_text("\n".join(kept) + "\n")
    with pytest.raises(ProjectError, match="no way in by SFTP"):
        load_project(shop.root)
