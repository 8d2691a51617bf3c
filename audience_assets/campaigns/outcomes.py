"""What became of the people of each group, counted in the warehouse: a few sums a group.

Everybody who was given a group counts, whether anything was delivered to them or not (intention to treat): control and
treatment are then treated alike, and chance alone tells them apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.insight_values import ratio
from audience_assets.campaigns.measures import Measured, bought, capped, totals
from audience_assets.campaigns.statistics import Proportion, Sample
from audience_assets.errors import AudienceError
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State


@dataclass(frozen=True)
class Outcome:
    """One group: people who were given it, and what they bought. `revenue` and `items` are None where none is declared.

    `late` of the recipients were given the group after the window began. Money is in the value field's unit. A ratio to
    nothing is None. Where revenue is capped, `capped` recipients spent more than `cap` and count with that in
    `counted_revenue`, `revenue_squares` and all that is made of them; `revenue` is what was spent.
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
    counted_revenue: float | None
    revenue_squares: float | None
    cap: float | None = None
    capped: int | None = None

    @property
    def purchases(self) -> Proportion | None:
        return Proportion(self.purchasers, self.recipients) if self.recipients else None

    @property
    def revenues(self) -> Sample | None:
        """The revenue of each recipient, those with none included."""
        if not self.recipients or self.counted_revenue is None or self.revenue_squares is None:
            return None
        return Sample(self.recipients, self.counted_revenue, self.revenue_squares)

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
        return ratio(self.counted_revenue, self.recipients)

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
        counted_revenue=added("counted_revenue"),
        capped=None if groups[0].cap is None else sum(each.capped or 0 for each in groups),
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
class Window:
    """What is counted of whom: purchases within `[since, until)`, and at most how much of one person's revenue.

    `cap` is a percentile of the recipients' revenues in 0.01 %, zeros included; None caps nothing.
    """

    what: Measured
    since: datetime
    until: datetime
    cap: int | None = None

    @property
    def caps(self) -> bool:
        return self.cap is not None and self.what.value is not None


def count_outcomes(
    connection: Connection, project: Project, state: State, model: str, people: sa.Subquery, window: Window
) -> tuple[list[Outcome], list[VersionSize]]:
    """Sums over the window of each group that anybody has, and how many were given it by which split.

    `people` has user_key, sub_audience, group_name, is_control, split_version and assigned_at. Each sub-audience has a
    cap of its own.
    """
    found = bought(project, state, model, window.what, window.since, window.until).subquery("bought")
    each = _each(people, found, window)
    c = each.c
    key = (c.sub_audience, c.group_name, c.is_control, c.split_version)
    sums = [sa.func.sum(c.late).label("late"), *totals(c.user_key, each)]
    if window.caps:
        sums += [sa.func.max(c.cap).label("cap"), sa.func.sum(c.is_capped).label("capped")]
    query: sa.Select[Any] = sa.select(*key, *sums).group_by(*key)
    rows = connection.execute(query).all()
    sizes = [VersionSize(row.sub_audience, row.split_version, row.group_name, row.people) for row in rows]
    groups: dict[tuple[str, str, bool], list[sa.Row[Any]]] = {}
    for row in rows:
        groups.setdefault((row.sub_audience, row.group_name, row.is_control), []).append(row)
    return [_outcome(*group, rows, window) for group, rows in groups.items()], sizes


def _each(people: sa.Subquery, found: sa.Subquery, window: Window) -> sa.Subquery:
    """A row a person: whether they came late, what they bought, and what is counted of it."""
    c = people.c
    late = sa.case((c.assigned_at > sa.literal(window.since, c.assigned_at.type), 1), else_=0).label("late")
    columns = [c[name] for name in ("sub_audience", "group_name", "is_control", "split_version", "user_key")]
    columns += [late, *(found.c[name] for name in ("orders", "value", "items"))]
    rows: sa.Select[Any] = sa.select(*columns).select_from(people.outerjoin(found, found.c.user_key == c.user_key))
    return capped(rows, window.cap) if window.caps and window.cap is not None else rows.subquery("each")


def _outcome(sub_audience: str, group: str, is_control: bool, rows: list[sa.Row[Any]], window: Window) -> Outcome:
    what = window.what

    def added(name: str) -> float:
        return float(sum(getattr(row, name) for row in rows))

    for field, name in ((what.value, "squares"), (what.items, "items")):
        if field and not math.isfinite(added(name)):
            raise AudienceError(
                f"the values of {field.field} in {field.model} can't be added up: some are no numbers (NaN), or too "
                f"large. Leave such rows out by the model's base_filter: {{field: {field.field}, op: lt, value: ...}}"
            )
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
        counted_revenue=added("counted") if what.value else None,
        revenue_squares=added("squares") if what.value else None,
        cap=max(float(row.cap) for row in rows) if window.caps else None,
        capped=int(added("capped")) if window.caps else None,
    )
