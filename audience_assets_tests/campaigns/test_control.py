"""Nobody in control is ever sent: any history of people and percentages, delivered to two vendors over HTTP."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox
from audience_assets_tests.vendors import iterable, klaviyo
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.shop import GUESTS, guest, open_project, set_readers, sync, write_project

GUEST_KEYS = range(1, 31)
CITIES = ("Oslo", "Rome")
START = datetime(2026, 8, 1, 9, tzinfo=UTC)


@dataclass(frozen=True)
class Day:
    """What is so on one day: who is a reader and lives where, and how the campaign is split."""

    readers: Mapping[int, str]
    control: int
    sticky: str


@st.composite
def days(draw: st.DrawFn, sticky: st.SearchStrategy[str]) -> Day:
    readers = draw(st.dictionaries(st.sampled_from(GUEST_KEYS), st.sampled_from(CITIES), min_size=4))
    return Day(readers, draw(st.sampled_from([10, 30, 50])), draw(sticky))


def address(key: int) -> str:
    return f"guest{key}@bookshop-readers.com"


@dataclass
class Spring:
    """A campaign that is sent to a Klaviyo list and an Iterable list in one city, and to Iterable elsewhere."""

    folder: Path
    accounts: Mapping[str, tuple[VendorAccount, str]]
    sandbox: Sandbox
    address: Callable[[int], str] = address
    number: int = 0
    ever_control: set[int] = field(default_factory=set)

    def deliver(self, day: Day) -> dict[int, bool]:
        """Compute and sync every list, as a schedule would. Recipient -> whether they are in control."""
        self.number += 1
        self._declare(day)
        url = f"sqlite:///{self.folder / 'warehouse.sqlite'}"
        with open_project(self.folder, self.accounts, url) as runtime:
            if self.number == 1:
                GUESTS.create(runtime.engine)
            set_readers(runtime.engine, [guest(key, self.address(key), city) for key, city in day.readers.items()])
            now = START + timedelta(days=self.number)
            refresh_campaign(runtime.engine, runtime.state, runtime.project, "spring", now)
            for name in runtime.project.effective:
                sync(runtime, name)
            found = self._recipients(runtime)
        self.ever_control |= {key for key, control in found.items() if control}
        return found

    def _recipients(self, runtime: Runtime) -> dict[int, bool]:
        table = runtime.state.recipient("spring", "integer")
        with runtime.engine.connect() as connection:
            rows = connection.execute(sa.select(table.c.user_key, table.c.is_control))
            return {row.user_key: bool(row.is_control) for row in rows}

    def _declare(self, day: Day) -> None:
        control = {"name": "control", "percent": str(day.control), "control": "true"}
        rest = str(100 - day.control)
        text: dict[str, Any] = {
            "name": "Spring",
            "include": ["readers"],
            "split": {"sticky": day.sticky, **({"round": self.number} if day.sticky == "reshuffle" else {})},
            "sub_audiences": [
                {
                    "name": "Oslo",
                    "where": {"field": "city", "op": "is", "value": "Oslo"},
                    "groups": [control, {"name": "Books", "percent": rest, "destinations": list(self.accounts)}],
                }
            ],
            "remaining": {"groups": [control, {"name": "Maps", "percent": rest, "destinations": ["iterable"]}]},
            "delivery": {name: self._delivery(account) for name, (account, _) in self.accounts.items()},
        }
        (self.folder / "campaigns").mkdir(exist_ok=True)
        (self.folder / "campaigns/spring.yaml").write_text(yaml.safe_dump(text))

    @staticmethod
    def _delivery(account: VendorAccount) -> dict[str, Any]:
        return {
            "service": account.service,
            "mapping": {"identifiers": {"email": "email"}},
            "guard": {"min_size": 0, "max_removed_percent": 100},
            **account.activation,
        }

    def listed(self) -> set[str]:
        """Everybody in a list of the campaign at either vendor."""
        lists = ("Spring_Books", "Spring_Maps")
        return {email for account, _ in self.accounts.values() for name in lists for email in account.listed(name)}

    def told(self) -> str:
        """Everything that was sent to a vendor: addresses, questions and bodies."""
        calls = (f"{each.path} {each.query_string} {(each.body or b'').decode()}" for each in self.sandbox.requests)
        return unquote("\n".join(calls))


@pytest.fixture(scope="module")
def vendors() -> Iterator[Sandbox]:
    with Sandbox([klaviyo.SubscriptionList.twin(), iterable.ContactList.twin()]) as sandbox:
        yield sandbox


def spring(sandbox: Sandbox, folder: Path, name: str) -> Spring:
    """The campaign at accounts of its own, which know every guest."""
    made: dict[str, VendorAccount] = {
        "klaviyo": klaviyo.SubscriptionList.open(sandbox, f"klaviyo {name}"),
        "iterable": iterable.ContactList.open(sandbox, f"iterable {name}"),
    }
    for account in made.values():
        account.know(map(address, GUEST_KEYS))
    accounts = {key: (account, sandbox.url_of(key)) for key, account in made.items()}
    write_project(folder, accounts)
    shutil.rmtree(folder / "activations")
    return Spring(folder, accounts, sandbox)


# A history takes a second or two; the profile `thorough` tells many.
FEW = settings(max_examples=settings().max_examples // 20, phases=(Phase.explicit, Phase.generate))


@FEW
@given(history=st.lists(days(st.just("keep")), min_size=2, max_size=2))
def test_who_is_in_control_is_in_no_call_however_people_come_and_percentages_change(
    vendors: Sandbox, history: list[Day]
) -> None:
    vendors.requests.clear()
    with tempfile.TemporaryDirectory() as folder:
        campaign = spring(vendors, Path(folder), Path(folder).name)
        for day in history:
            groups = campaign.deliver(day)
            assert campaign.listed() == {address(key) for key, control in groups.items() if not control}
    told = campaign.told()
    assert not [key for key in campaign.ever_control if address(key) in told]


@FEW
@given(history=st.lists(days(st.sampled_from(["keep", "rebalance", "reshuffle"])), min_size=2, max_size=2))
def test_lists_hold_the_treated_and_no_control_whatever_the_split_does(vendors: Sandbox, history: list[Day]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        campaign = spring(vendors, Path(folder), Path(folder).name)
        for day in history:
            groups = campaign.deliver(day)
            assert groups.keys() == day.readers.keys()
            assert campaign.listed() == {address(key) for key, control in groups.items() if not control}


def test_who_shares_an_address_with_somebody_in_control_is_not_sent_either(vendors: Sandbox, tmp_path: Path) -> None:
    campaign = spring(vendors, tmp_path, "shared")
    campaign.address = lambda key: address((key + 1) // 2).upper() if key % 2 else address((key + 1) // 2)
    vendors.requests.clear()
    for control in (30, 50):
        groups = campaign.deliver(Day(dict.fromkeys(GUEST_KEYS, "Oslo"), control, "rebalance"))
        held = {campaign.address(key).lower() for key, is_control in groups.items() if is_control}
        treated = {campaign.address(key).lower() for key, is_control in groups.items() if not is_control}
        assert held & treated
        assert campaign.listed() == treated - held
