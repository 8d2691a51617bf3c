"""A shop's list at Iterable through the whole engine: plan, deliver, churn, storms, crashes and reconciliation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audience_assets.audiences.refresh import refresh_segment
from audience_assets.destinations.base import Misconfigured, Throttled, Unavailable
from audience_assets.errors import ProjectError
from audience_assets.project.load import load_project
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sandbox.iterable import IterableProject, IterableSandbox, IterableSwitches
from audience_assets.sync import SyncReport, open_rejections, plan_sync, reconcile, run_sync

KEY = "0123456789abcdef0123456789abcdef"
PROJECT = """
project: shop
timezone: Europe/Paris
warehouse: {url: "sqlite://"}
models:
  customers:
    type: users
    table: customers
    key: id
    key_type: integer
    fields:
      email: {type: text}
      code: {type: text}
      plan: {type: text}
      orders: {type: integer}
"""
TABLES = sa.MetaData()
CUSTOMERS = sa.Table(
    "customers",
    TABLES,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("code", sa.String),
    sa.Column("plan", sa.String),
    sa.Column("orders", sa.BigInteger),
)
LIST = "vips"
STORM = (Action.ERROR_BEFORE, Action.ERROR_AFTER, Action.RESET_BEFORE, Action.RESET_AFTER, Action.TRUNCATE)


def files(base_url: str, project_type: str, identifiers: str, fields: str, more: str = "") -> dict[str, str]:
    return {
        "project.yaml": PROJECT,
        "segments/vips.yaml": "where: {field: orders, op: gte, value: 1}\n",
        "destinations.yaml": (
            f"destinations:\n  mail:\n    type: iterable\n    api_key: {{env: ITERABLE_API_KEY}}\n"
            f"    project_type: {project_type}\n    base_url: {base_url}\n    tries: 2\n    first_wait_seconds: 0\n"
            f"{more}"
        ),
        "activations/vips.yaml": (
            f"segment: vips\ndestination: mail\nguard: {{min_size: 0, max_removed_percent: 100}}\n"
            f"mapping:\n  identifiers: {identifiers}\n  fields: {fields}\n"
        ),
    }


def write(folder: Path, **given: str) -> Path:
    for name, text in files(**given).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@dataclass
class Shop:
    """The project in a folder, on SQLite. `sync` computes the segment and delivers its list."""

    runtime: Runtime
    project: IterableProject
    sandbox: Sandbox

    def insert(self, *numbers: int, orders: int = 1) -> None:
        rows = [
            {"id": n, "email": f"p{n}@shop-customers.com", "code": f"C-{n}", "plan": "free", "orders": orders}
            for n in numbers
        ]
        with self.runtime.engine.begin() as connection:
            connection.execute(CUSTOMERS.insert(), rows)

    def change(self, *numbers: int, **values: Any) -> None:
        with self.runtime.engine.begin() as connection:
            connection.execute(CUSTOMERS.update().where(CUSTOMERS.c.id.in_(numbers)).values(**values))

    def refresh(self) -> None:
        runtime = self.runtime
        refresh_segment(runtime.engine, runtime.state, runtime.project, "vips", runtime.now())

    def sync(self) -> SyncReport:
        self.refresh()
        report = run_sync(self.runtime, LIST, as_of=self.runtime.now())
        self.project.finish()
        return report

    def members(self) -> set[str]:
        self.project.finish()
        return {str(user.email or user.user_id) for user in self.project.members(self.project.list_named("vips").id)}


def address(number: int) -> str:
    return f"p{number}@shop-customers.com"


def addresses(*numbers: int) -> set[str]:
    return {address(number) for number in numbers}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    vendor = IterableSandbox(rate_limits=False, switches=IterableSwitches(apply_delay=0.0))
    vendor.project("demo", key=KEY)
    with Sandbox([vendor]) as sandbox:
        yield sandbox


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("ITERABLE_API_KEY", KEY)
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    folder = write(
        tmp_path,
        base_url=sandbox.url,
        project_type="email",
        identifiers="{email: email}",
        fields="{plan: plan, orderCount: orders}",
    )
    with Runtime.open(folder, url=url) as runtime:
        TABLES.create_all(runtime.engine)
        yield Shop(runtime, sandbox.iterable.project("demo"), sandbox)


def test_a_list_follows_its_audience(shop: Shop) -> None:
    shop.project.add_users({"email": address(n)} for n in range(1, 10))
    shop.insert(*range(1, 11))  # 10 is nobody at Iterable
    shop.insert(11, orders=0)
    shop.refresh()
    plan = plan_sync(shop.runtime, LIST, as_of=shop.runtime.now())
    assert (plan.counts.add, plan.list_name, plan.list_exists) == (10, "vips", False)
    assert {call.endpoint.name: call.calls for call in plan.estimate} == {
        "get_fields": 1,
        "get_user": 10,
        "subscribe": 1,
        "bulk_update": 2,
    }
    assert not any(entry.method == "POST" for entry in shop.sandbox.requests), "a plan writes nothing"
    first = shop.sync()
    assert (first.added, first.absent, first.rejected, first.state) == (9, 1, 0, "delivered")
    assert shop.members() == addresses(*range(1, 10))
    assert shop.project.data(address(1)) == {"plan": "free", "orderCount": 1}

    shop.change(1, 2, orders=0)  # leave
    shop.change(3, plan="pro")
    shop.change(4, plan=None)
    shop.change(11, orders=2)  # enters, and Iterable knows them by now
    shop.project.add_users([{"email": address(n)} for n in (10, 11)])
    second = shop.sync()
    assert (second.added, second.updated, second.removed, second.absent) == (2, 2, 2, 0)
    assert shop.members() == addresses(*range(3, 12))
    assert shop.project.data(address(3)) == {"plan": "pro", "orderCount": 1}
    assert shop.project.data(address(4)) == {"orderCount": 1}
    assert shop.project.data(address(1)) == {"plan": "free", "orderCount": 1}, "leaving takes no attributes away"
    assert len(shop.project.users) == 11

    before = len(shop.sandbox.requests)
    assert shop.sync().state == "unchanged"
    assert len(shop.sandbox.requests) == before


def test_rejected_fields_are_told_by_name_and_tried_again_when_they_change(shop: Shop) -> None:
    shop.project.add_users([{"email": address(1), "dataFields": {"plan": True}}])
    shop.insert(1)
    report = shop.sync()
    assert (report.added, report.rejected, report.channel_issues) == (1, 0, 1)
    [row] = open_rejections(shop.runtime, LIST)
    assert (row.channel, row.reason) == ("plan", "type_mismatch")
    assert shop.sync().state == "unchanged"
    shop.change(1, orders=5)
    assert shop.sync().updated == 1
    assert [row.reason for row in open_rejections(shop.runtime, LIST)] == ["type_mismatch"], "it stands while it lasts"
    assert shop.project.data(address(1)) == {"plan": True, "orderCount": 5}
    shop.change(1, plan=None)
    shop.sync()
    assert open_rejections(shop.runtime, LIST) == []


def test_who_was_deleted_at_iterable_is_absent_and_not_made_again(shop: Shop) -> None:
    shop.project.add_users({"email": address(n)} for n in (1, 2))
    shop.insert(1, 2)
    shop.sync()
    shop.project.delete(address(1))
    shop.change(1, 2, plan="pro")
    report = shop.sync()
    assert (report.updated, report.absent) == (1, 1)
    assert len(shop.project.users) == 1
    shop.project.add_users([{"email": address(1)}])
    assert shop.sync().added == 1
    assert shop.members() == addresses(1, 2)


@pytest.mark.parametrize(
    ("project_type", "kind", "update_call"),
    [
        ("email", "email", "bulk_update"),
        ("email", "user_id", "bulk_update"),
        ("hybrid", "email", "bulk_update"),
        ("hybrid", "user_id", "subscribe"),
        ("user_id", "user_id", "bulk_update"),
    ],
)
def test_a_storm_of_faults_ends_in_the_right_list(
    tmp_path: Path,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    project_type: str,
    kind: str,
    update_call: str,
) -> None:
    """And meanwhile nobody is created or opted out, and whoever opted out stays so."""
    monkeypatch.setenv("ITERABLE_API_KEY", "storm")
    project = sandbox.iterable.project("storm", key="storm", project_type=project_type)
    identifiers = "{email: email}" if kind == "email" else "{user_id: code}"
    folder = write(
        tmp_path,
        base_url=sandbox.url,
        project_type=project_type,
        identifiers=identifiers,
        fields="{plan: plan}",
        more=f"    update_call: {update_call}\n",
    )
    everybody = range(1, 61)
    with Runtime.open(folder, url=f"sqlite:///{tmp_path / 'warehouse.db'}") as runtime:
        TABLES.create_all(runtime.engine)
        shop = Shop(runtime, project, sandbox)
        project.add_users({"email": address(n), "userId": f"C-{n}"} for n in everybody if n % 10)
        project.opt_out(address(2))
        shop.insert(*everybody)
        for action in STORM:
            sandbox.faults.add(Fault(action, "*", probability=0.1))
        for round_ in range(4):
            shop.change(*range(round_ * 10 + 1, round_ * 10 + 6), plan=f"plan {round_}")
            shop.change(round_ + 51, orders=0)
            with contextlib.suppress(Throttled, Unavailable):  # an outage may end a sync before it begins
                shop.sync()
        sandbox.faults.clear()
        shop.sync()
        assert shop.sync().state in ("unchanged", "delivered")
        held = {user.user_id for user in project.members(project.list_named("vips").id)}
        assert held == {f"C-{n}" for n in everybody if n % 10 and n not in range(51, 55)}
        assert {n: project.data(address(n)).get("plan") for n in (1, 11, 21, 31, 9)} == {
            1: "plan 0",
            11: "plan 1",
            21: "plan 2",
            31: "plan 3",
            9: "free",
        }
        assert len(project.lists) == 1
        assert len(project.users) == 54
        assert [n for n in everybody if project.opted_out(address(n))] == [2]


def test_reconciling_finds_who_was_taken_off_and_leaves_others_alone(shop: Shop) -> None:
    shop.project.add_users({"email": address(n)} for n in (1, 2, 3, 4))
    shop.insert(1, 2, 3)
    shop.sync()
    held = shop.project.list_named("vips")
    taken, foreign = shop.project.find(address(1)), shop.project.find(address(4))
    assert taken is not None
    assert foreign is not None
    held.remove(taken.number)
    held.add(foreign.number)
    found = reconcile(shop.runtime, LIST, apply=True, settling=timedelta(0))
    assert (found.at_vendor, found.in_both, found.missing, found.not_ours) == (3, 2, 1, 1)
    assert shop.sync().added == 1
    assert shop.members() == addresses(1, 2, 3, 4)


def test_a_static_list_of_the_name_is_adopted_and_a_dynamic_one_refused(shop: Shop) -> None:
    shop.project.add_users({"email": address(n)} for n in (1, 2))
    held = shop.project.create_list("vips", "Dynamic")
    shop.insert(1)
    with pytest.raises(Misconfigured, match="Dynamic"):
        shop.sync()
    assert not any(entry.method == "POST" for entry in shop.sandbox.requests)
    held.list_type = "Standard"
    shop.project.add_users([{"email": "foreign@example.com", "lists": [held.id]}])
    report = shop.sync()
    assert report.list_id == str(held.id)
    assert report.list_facts["adopted"] == "yes"
    shop.change(1, orders=0)
    shop.sync()
    assert shop.members() == {"foreign@example.com"}, "who was there before us stays"


def test_a_hybrid_project_by_user_id(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", "hybrid-key")
    project = sandbox.iterable.project("hybrid", key="hybrid-key", project_type="hybrid")
    folder = write(
        tmp_path,
        base_url=sandbox.url,
        project_type="hybrid",
        identifiers="{user_id: code}",
        fields="{plan: plan}",
    )
    with Runtime.open(folder, url=f"sqlite:///{tmp_path / 'warehouse.db'}") as runtime:
        TABLES.create_all(runtime.engine)
        shop = Shop(runtime, project, sandbox)
        project.add_users([{"userId": "C-1", "email": address(1)}, {"userId": "C-2"}])
        shop.insert(1, 2, 3)
        report = shop.sync()
        assert (report.added, report.absent) == (2, 1)
        assert shop.members() == {address(1), "C-2"}
        assert reconcile(runtime, LIST, settling=timedelta(0)).in_both == 2
        shop.change(2, orders=0)
        shop.change(1, plan="pro")
        shop.sync()
        assert shop.members() == {address(1)}
        assert project.data("C-1") == {"plan": "pro"}
        assert len(project.users) == 2


@pytest.mark.parametrize("order", [("{email: email}", "{user_id: code}"), ("{user_id: code}", "{email: email}")])
@pytest.mark.parametrize("project_type", ["email", "hybrid"])
def test_who_leaves_is_known_by_what_they_were_added_by(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, project_type: str, order: tuple[str, str]
) -> None:
    monkeypatch.setenv("ITERABLE_API_KEY", "other-key")
    project = sandbox.iterable.project("other", key="other-key", project_type=project_type)
    project.add_users([{"userId": f"C-{number}", "email": address(number)} for number in (1, 2, 3)])
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    told = {"base_url": sandbox.url, "project_type": project_type, "fields": "{plan: plan}"}
    with Runtime.open(write(tmp_path, identifiers=order[0], **told), url=url) as runtime:
        TABLES.create_all(runtime.engine)
        shop = Shop(runtime, project, sandbox)
        shop.insert(1, 2, 3)
        assert shop.sync().added == 3
        shop.change(2, orders=0)
    with Runtime.open(write(tmp_path, identifiers=order[1], **told), url=url) as runtime:
        shop = Shop(runtime, project, sandbox)
        first = shop.sync()
        assert (first.removed, first.retry) == (3, 2), "nobody enters while they may be leaving by another name"
        assert shop.sync().added == 2
        assert shop.members() == addresses(1, 3)
        assert shop.sync().state == "unchanged"
    assert len(project.users) == 3


@pytest.mark.parametrize(
    ("project_type", "identifiers", "fields", "told"),
    [
        ("user_id", "{email: email}", "{}", "identifies people by user id"),
        ("hybrid", "{email: email, user_id: code}", "{}", "not both"),
        ("hybrid", "{}", "{}", "map email or user_id"),
        ("hybrid", "{email: email}", "{emailListIds: orders}", "Iterable writes this field itself"),
        ("hybrid", "{phone: email}", "{}", "there is no identifier 'phone'"),
        ("shared", "{email: email}", "{}", "project_type"),
    ],
)
def test_a_wrong_mapping_is_told_with_its_place(
    tmp_path: Path, project_type: str, identifiers: str, fields: str, told: str
) -> None:
    folder = write(
        tmp_path,
        base_url="https://api.iterable.com",
        project_type=project_type,
        identifiers=identifiers,
        fields=fields,
    )
    with pytest.raises(ProjectError) as caught:
        load_project(folder)
    assert told in str(caught.value)
    assert "activations/vips.yaml:" in str(caught.value) or "destinations.yaml:" in str(caught.value)
