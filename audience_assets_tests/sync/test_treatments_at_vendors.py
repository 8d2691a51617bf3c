"""A campaign's treatment groups at every service: in lists that carry its name, with nobody of the control anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.campaigns.refresh import refresh_campaign
from audience_assets.project.activations import EffectiveActivation
from audience_assets.runtime import Runtime
from audience_assets.sync import campaign_delivery
from audience_assets_tests.vendors import klaviyo, shop
from audience_assets_tests.vendors.account import VendorAccount
from audience_assets_tests.vendors.every import SERVICES, served

DESTINATION = "vendor"
CAMPAIGN = """
name: Spring Books
include: [readers]
sub_audiences:
  - name: Oslo
    where: {field: city, op: is, value: Oslo}
    groups:
      - {name: control, percent: 40, control: true}
      - {name: Poems, percent: 60, destinations: [vendor]}
remaining:
  groups:
    - {name: control, percent: 20, control: true}
    - {name: Novels, percent: 80, destinations: [vendor]}
"""
PEOPLE = range(40)


@pytest.fixture(params=SERVICES)
def account(request: pytest.FixtureRequest) -> Iterator[tuple[VendorAccount, str]]:
    """An account that knows everybody, if its service makes no contacts, else nobody."""
    with served(request.param, "campaigns") as (made, url):
        if not made.kind().services[made.service].creates_contacts:
            made.know(map(shop.email, PEOPLE))
        yield made, url


@pytest.fixture
def runtime(account: tuple[VendorAccount, str], tmp_path: Path) -> Iterator[Runtime]:
    shop.write_project(tmp_path, {DESTINATION: account})
    own = (tmp_path / f"activations/{DESTINATION}.yaml").read_text().splitlines()
    said = [line for line in own if not line.startswith(("segment:", "destination:", "list_name:"))]
    delivery = "\n".join(["delivery:", f"  {DESTINATION}:", *(f"    {line}" for line in said)])
    (tmp_path / f"activations/{DESTINATION}.yaml").unlink()
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns/books.yaml").write_text(f"{CAMPAIGN}{delivery}\n")
    url = f"sqlite:///{tmp_path / 'warehouse.sqlite'}"
    with shop.open_project(tmp_path, {DESTINATION: account}, url) as opened:
        shop.GUESTS.create(opened.engine)
        rows = [shop.guest(key, shop.email(key), "Oslo" if key % 2 else "Bergen") for key in PEOPLE]
        shop.set_readers(opened.engine, rows)
        yield opened


def groups(runtime: Runtime) -> dict[str, set[str]]:
    """Group -> addresses of its recipients; the controls of both sub-audiences are one."""
    table = runtime.state.recipient("books", "integer")
    found: dict[str, set[str]] = {}
    with runtime.engine.connect() as connection:
        for row in connection.execute(sa.select(table.c.group_name, table.c.user_key)):
            found.setdefault(row.group_name, set()).add(shop.email(row.user_key))
    return found


def test_groups_are_lists_and_the_control_is_nowhere(runtime: Runtime, account: tuple[VendorAccount, str]) -> None:
    vendor, _ = account
    refresh_campaign(runtime.engine, runtime.state, runtime.project, "books", runtime.now())
    given = groups(runtime)
    assert {name: len(people) for name, people in given.items()} == {"control": 12, "Poems": 12, "Novels": 16}
    for each in runtime.project.lists_of("books"):
        assert shop.sync(runtime, each.name).retry == 0
    for name in ("Poems", "Novels"):
        assert set(vendor.listed(f"Spring Books_{name}")) == given[name]
    if vendor.kind().services[vendor.service].creates_contacts:
        assert not given["control"] & set(vendor.people())
    told = campaign_delivery(runtime, "books")
    assert [(each.group, each.state, each.reach.customers, each.reach.rows) for each in told.lists] == [
        ("Poems", "delivered", 12, 12),
        ("Novels", "delivered", 16, 16),
    ]
    if isinstance(vendor, klaviyo.SftpImport):
        _only_treated_in_files(vendor, runtime.project.effective, given)


def _only_treated_in_files(
    vendor: klaviyo.SftpImport, lists: Mapping[str, EffectiveActivation], given: Mapping[str, set[str]]
) -> None:
    """Every file is called after the campaign's list, and holds nobody but this list's group."""
    files = vendor.account.sftp_files
    names = [name for name in files.names("/profiles") if name.endswith(".csv")]
    assert len(names) == len(lists) == 2
    for activation in lists.values():
        [name] = [each for each in names if each.startswith(f"{activation.name}-")]
        assert name.startswith("books__")
        file = files.get(f"/profiles/{name}")
        text = file.read(0, file.size).decode()
        group = "Poems" if "poems" in name else "Novels"
        assert all(f"{address}," in text or f"{address}\n" in text for address in given[group])
        assert not [address for address in given["control"] if f"{address}," in text]
