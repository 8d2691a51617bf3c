"""What people bought within a stretch of time: one row a user, whatever was sent to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.grouped import Rows
from audience_assets.audiences.operands import measure
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement, complete
from audience_assets.errors import AudienceError
from audience_assets.project.campaigns import Campaign
from audience_assets.project.project import Project
from audience_assets.warehouse.state import State

# Percentiles are whole numbers of 0.01 %.
PERCENTILES = 10_000


@dataclass(frozen=True, slots=True)
class Sum:
    """A field of an events model whose values are added up."""

    model: str
    field: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What is counted: rows of `orders` (or different values of its `order_field`), and what they are worth."""

    orders: str
    order_field: str | None
    value: Sum | None
    items: Sum | None


def is_measured(project: Project, campaign: Campaign) -> bool:
    """Whether the campaign or the insights say what counts as a purchase."""
    return _orders_model(project, campaign) is not None


def measured(project: Project, campaign: Campaign) -> Measured:
    """What the campaign declares, and otherwise what insights count. Raises AudienceError if neither says anything."""
    wanted, shared = campaign.measurement, project.settings.insights
    model = _orders_model(project, campaign)
    if model is None:
        raise AudienceError(
            f"nothing says what counts as a purchase in the campaign {campaign.campaign}: declare its "
            "measurement.conversion, or insights.value_model in project.yaml"
        )
    value = Sum(wanted.value.model, wanted.value.field) if wanted.value else None
    items = Sum(wanted.items.model, wanted.items.field) if wanted.items else None
    order_field = wanted.conversion.order_field if wanted.conversion else None
    if shared.value_model == model:
        value = value or (Sum(model, shared.value_field) if shared.value_field else None)
        items = items or (Sum(model, shared.items_field) if shared.items_field else None)
        order_field = order_field or shared.order_field
    return Measured(model, order_field, value, items)


def _orders_model(project: Project, campaign: Campaign) -> str | None:
    wanted = campaign.measurement
    if wanted.conversion is not None:
        return wanted.conversion.model
    return wanted.value.model if wanted.value is not None else project.settings.insights.value_model


def bought(
    project: Project, state: State, model: str, what: Measured, since: datetime, until: datetime
) -> sa.Select[Any]:
    """`user_key`, `orders`, `value` and `items` within `[since, until)` of everybody in the users model.

    Who bought nothing has 0; `value` and `items` are NULL where nothing is declared. The model's base filter is not
    asked: somebody who was given a group and is filtered out since still counts.
    """
    statement = Statement(project, Catalogue(project.settings), until, state)

    def build() -> sa.Select[Any]:
        users = Scope(statement, model)

        def total(events: str, asked: str) -> sa.ColumnElement[Any]:
            rows = Rows(users.catalogue.to_many(model, events), (since, until))
            return measure(users, users.place, rows, asked).expression

        def double(sum_of: Sum | None) -> sa.ColumnElement[Any]:
            number = total(sum_of.model, f"sum:{sum_of.field}") if sum_of else sa.null()
            return sa.cast(number, sa.Double)

        orders = total(what.orders, f"count_distinct:{what.order_field}" if what.order_field else "count")
        columns = [orders.label("orders"), double(what.value).label("value"), double(what.items).label("items")]
        return sa.select(users.key.label("user_key"), *columns).select_from(users.joined())

    return complete(build, statement)


def capped(each: sa.Select[Any], percentile: int) -> sa.Subquery:
    """Rows that have `value` and `sub_audience`, with the sub-audience's `cap` and `counted`, the value or the cap.

    `percentile` is in 0.01 %. The cap is the smallest value that so many of the sub-audience's people do not exceed
    (numpy's `inverted_cdf`); who bought nothing has 0.
    """
    rows = each.subquery("each")
    value = sa.func.coalesce(rows.c.value, 0.0, type_=sa.Double())
    place = sa.func.row_number().over(partition_by=rows.c.sub_audience, order_by=value).label("place")
    people = sa.func.count().over(partition_by=rows.c.sub_audience).label("people")
    ranked = sa.select(*rows.c, value.label("spent"), place, people).subquery("ranked")
    reaches = ranked.c.place * PERCENTILES >= ranked.c.people * percentile
    at_least = sa.func.min(sa.case((reaches, ranked.c.spent))).over(partition_by=ranked.c.sub_audience).label("cap")
    known = sa.select(*ranked.c, at_least).subquery("known")
    c = known.c
    above = c.spent > c.cap
    counted = sa.case((above, c.cap), else_=c.spent).label("counted")
    return sa.select(*c, counted, sa.case((above, 1), else_=0).label("is_capped")).subquery("capped")


def totals(user_key: sa.ColumnElement[Any], found: sa.Subquery) -> list[sa.ColumnElement[Any]]:
    """people, purchasers, orders, items, value, counted and squares: sums over rows LEFT JOINed with `bought`.

    `squares` are those of what is counted of a value: all of it, unless it was `capped`.
    """
    c = found.c
    counted = c.get("counted", c.value)

    def added(number: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.sum(number), 0)

    return [
        sa.func.count(user_key).label("people"),
        added(sa.case((c.orders > 0, 1), else_=0)).label("purchasers"),
        added(c.orders).label("orders"),
        added(c["items"]).label("items"),
        added(c.value).label("value"),
        added(counted).label("counted"),
        added(counted * counted).label("squares"),
    ]
