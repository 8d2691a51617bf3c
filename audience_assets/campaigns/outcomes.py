"""What became of the people of each group, counted in the warehouse: a few sums a group.

Everybody who was given a group counts, in the first group they were given, whether anything was delivered to them or
not (intention to treat): control and treatment are then treated alike, and chance alone tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.insight_values import ratio
from audience_assets.campaigns.measures import Measured, bought, totals
from audience_assets.campaigns.statistics import Proportion, Sample
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


@dataclass(frozen=True)
class Outcome:
    """One group: people who were given it, and what they bought. `revenue` and `items` are None where none is declared.

    `late` of the recipients were given the group after the window began. Money is in the value field's unit. A ratio to
    nothing is None.
    """

    sub_audience: str
    group: str
    is_control: bool
    recipients: int
    late: int
    purchasers: int
    orders: int
    items: float | None
    revenue: float | None
    revenue_squares: float | None

    @property
    def purchases(self) -> Proportion | None:
        return Proportion(self.purchasers, self.recipients) if self.recipients else None

    @property
    def revenues(self) -> Sample | None:
        """The revenue of each recipient, those with none included."""
        if not self.recipients or self.revenue is None or self.revenue_squares is None:
            return None
        return Sample(self.recipients, self.revenue, self.revenue_squares)

    @property
    def revenue_deviation(self) -> float | None:
        """Standard deviation of a recipient's revenue."""
        variance = self.revenues.variance if self.revenues else None
        return None if variance is None else variance**0.5

    @property
    def conversion_rate(self) -> float | None:
        return ratio(self.purchasers, self.recipients)

    @property
    def revenue_per_recipient(self) -> float | None:
        return ratio(self.revenue, self.recipients)

    @property
    def average_order_value(self) -> float | None:
        return ratio(self.revenue, self.orders)

    @property
    def average_item_value(self) -> float | None:
        return ratio(self.revenue, self.items)

    @property
    def orders_per_purchaser(self) -> float | None:
        return ratio(self.orders, self.purchasers)

    @property
    def items_per_order(self) -> float | None:
        return ratio(self.items, self.orders)


def together(groups: Sequence[Outcome]) -> Outcome | None:
    """Groups as one, named as the first: a control that was renamed is the control still. None of no groups."""
    if not groups:
        return None

    def added(name: str) -> float | None:
        numbers = [getattr(each, name) for each in groups]
        return None if None in numbers else sum(numbers)

    return replace(
        groups[0],
        recipients=sum(each.recipients for each in groups),
        late=sum(each.late for each in groups),
        purchasers=sum(each.purchasers for each in groups),
        orders=sum(each.orders for each in groups),
        items=added("items"),
        revenue=added("revenue"),
        revenue_squares=added("revenue_squares"),
    )


@dataclass(frozen=True, slots=True)
class VersionSize:
    """People who were given a group by one version of the split."""

    sub_audience: str
    split_version: int
    group: str
    people: int


@dataclass(frozen=True)
class Ledger:
    """A campaign's ledger, and since which version of the split its present groups have been drawn.

    A campaign that is drawn anew (`reshuffle`) begins a new period of measurement: what was given before is not asked.
    """

    table: sa.Table
    drawn_since: int
    newest: int
    first_match: bool

    def first(self, until: datetime) -> sa.Subquery:
        """The first group of everybody who was given one before `until`; with all matches, one a sub-audience."""
        c = self.table.c
        columns = (c.user_key, c.sub_audience, c.group_name, c.is_control, c.split_version, c.assigned_at)
        rows = sa.select(*columns).where(c.assigned_at < sa.literal(until, c.assigned_at.type))
        rows = rows.where(c.split_version >= self.drawn_since)
        if self.newest == self.drawn_since:
            return rows.subquery("first")
        person = [c.user_key] if self.first_match else [c.user_key, c.sub_audience]
        age = sa.func.row_number().over(partition_by=person, order_by=[c.split_version, c.sub_audience])
        ranked = rows.add_columns(age.label("age")).subquery("ranked")
        return sa.select(*(ranked.c[column.name] for column in columns)).where(ranked.c.age == 1).subquery("first")


def count_outcomes(
    connection: Connection,
    project: Project,
    state: State,
    campaign: str,
    ledger: Ledger,
    what: Measured,
    since: datetime,
    until: datetime,
) -> tuple[list[Outcome], list[VersionSize]]:
    """Sums over `[since, until)` of each group that anybody has, and how many were given it by which split."""
    found = bought(project, state, project.campaign_model(campaign), what, since, until).subquery("bought")
    first = ledger.first(until)
    c = first.c
    key = (c.sub_audience, c.group_name, c.is_control, c.split_version)
    late = sa.func.sum(sa.case((c.assigned_at > sa.literal(since, c.assigned_at.type), 1), else_=0)).label("late")
    query: sa.Select[Any] = sa.select(*key, late, *totals(c.user_key, found)).group_by(*key)
    query = query.select_from(first.outerjoin(found, found.c.user_key == c.user_key))
    rows = connection.execute(query).all()
    sizes = [VersionSize(row.sub_audience, row.split_version, row.group_name, row.people) for row in rows]
    groups: dict[tuple[str, str, bool], list[sa.Row[Any]]] = {}
    for row in rows:
        groups.setdefault((row.sub_audience, row.group_name, row.is_control), []).append(row)
    return [_outcome(*group, rows, what) for group, rows in groups.items()], sizes


def _outcome(sub_audience: str, group: str, is_control: bool, rows: list[sa.Row[Any]], what: Measured) -> Outcome:
    def added(name: str) -> float:
        return float(sum(getattr(row, name) for row in rows))

    return Outcome(
        sub_audience=sub_audience,
        group=group,
        is_control=bool(is_control),
        recipients=int(added("people")),
        late=int(added("late")),
        purchasers=int(added("purchasers")),
        orders=int(added("orders")),
        items=added("items") if what.items else None,
        revenue=added("value") if what.value else None,
        revenue_squares=added("squares") if what.value else None,
    )
