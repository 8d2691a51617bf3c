"""Several rows of one customer in a model that a list joins: refused, unless the activation says what counts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.one_row import Apart, OneRow
from audience_assets.errors import WarehouseError
from audience_assets.sync.desired import Desired, identifier_expression

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from audience_assets.sync.plan import Planner


class SeveralRows(WarehouseError):
    """Nobody knows which row of a customer is theirs."""


def rows_that_count(on_duplicate: str, identifiers: Mapping[str, str], kinds: Sequence[str]) -> OneRow | None:
    """By `on_duplicate`: all ("fail", which looks first), the first of a customer, or the first of each identifier.

    `identifiers` are kind -> mapped field, `kinds` those that count in order of preference.
    """
    if on_duplicate == "fail":
        return None
    if on_duplicate == "first":
        return OneRow()
    fields: dict[str, list[tuple[str, str]]] = {}
    for kind in kinds:
        path, _, field = identifiers[kind].rpartition(".")
        fields.setdefault(path, []).append((kind, field))
    apart: dict[str, Apart] = {path: partial(_identifier, its) for path, its in fields.items() if path}
    return OneRow(apart)


def _identifier(fields: Sequence[tuple[str, str]], table: sa.FromClause) -> sa.ColumnElement[str]:
    return identifier_expression([(kind, table.c[field]) for kind, field in fields])


def expect_one_row(connection: Connection, planner: Planner) -> None:
    """Raises SeveralRows where customers of the audience have several rows in a model that is joined as it is."""
    if planner.activation.on_duplicate != "fail":
        return
    desired = planner.unplanned()
    clause = desired.members.join(desired.users, desired.key == desired.members.c.user_key)
    for target, on in desired.joins:
        if isinstance(target, sa.CTE):
            continue  # grouped: one row a key
        clause = clause.outerjoin(target, on)
        key = desired.members.c.user_key
        several = sa.select(key).select_from(clause).group_by(key).having(sa.func.count() > 1).subquery("several")
        customers = connection.scalar(sa.select(sa.func.count()).select_from(several)) or 0
        if customers:
            raise SeveralRows(_told(planner, target, customers, desired))


def _told(planner: Planner, target: sa.FromClause, customers: int, desired: Desired) -> str:
    table = next(each.fullname for each in sa.sql.visitors.iterate(target) if isinstance(each, sa.Table))
    kinds = " or ".join(desired.identifier_kinds)
    who = "1 customer of the audience has" if customers == 1 else f"{customers:,} customers of the audience have"
    return (
        f"{planner.name}: {who} several rows in {table}, and nothing says which of them is theirs. Nothing was sent. "
        f"Make {table} one row a customer; or say on_duplicate: first (one row of each, always the same), or, where "
        f"they are known by a field of {table}, on_duplicate: expand (one for each {kinds})."
    )
