"""From customers to rows of a list: who falls out on the way (shrink), and who would stand there twice (expansion).

Counted in one pass over the audience with its mapped columns, so it can be told before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.sync.control import without_protected
from audience_assets.sync.desired import Desired, has_text
from audience_assets.sync.diff import ABSENT, IN_LIST, REJECTED, UNSURE

if TYPE_CHECKING:
    from audience_assets.sync.plan import Planner


@dataclass(frozen=True, slots=True)
class Reach:
    """`customers` are the audience's users, `rows` different people at the vendor. `shrink` tells reason -> customers.

    `expansion`: rows beyond one a customer, because a model that attributes come from has several rows of somebody.
    """

    customers: int
    rows: int
    expansion: int
    shrink: Mapping[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        return sum(self.shrink.values())

    def encoded(self) -> str:
        """As the `sync` row keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def decoded(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def with_vendor(self, sizes: Mapping[str, int], refused_for: Sequence[str]) -> Reach:
        """After a delivery: whom the vendor did not take is shrink as well, and the rows are the list's members.

        `sizes` are the ledger's rows by status, `refused_for` the reasons of those that were refused.
        """
        words = ", ".join(refused_for)
        lost = {
            "unknown to the vendor": sizes.get(ABSENT, 0),
            f"refused: {words or 'for no known reason'}": sizes.get(REJECTED, 0) + sizes.get(UNSURE, 0),
        }
        rows = sum(sizes.get(status, 0) for status in IN_LIST)
        return Reach(
            self.customers, rows, self.expansion, {**self.shrink, **{why: each for why, each in lost.items() if each}}
        )


def measure_reach(connection: Connection, planner: Planner, desired: Desired) -> Reach:
    """Count whom of its audience a list can hold, before a delivery: what looks like no address is shrink.

    A mapped text of blanks alone is missing.
    """
    with without_protected(connection, desired, planner.protected) as kept:
        return _reach(connection, planner, desired, kept, kept.looks_usable())


def reach_of(connection: Connection, planner: Planner, desired: Desired, kept: Desired) -> Reach:
    """Count them for a delivery, which judges the addresses itself.

    Those of `desired` who share an address with somebody protected are left out in `kept`.
    """
    return _reach(connection, planner, desired, kept, sa.true())


def _reach(
    connection: Connection, planner: Planner, desired: Desired, kept: Desired, usable: sa.ColumnElement[bool]
) -> Reach:
    everybody = connection.scalar(sa.select(sa.func.count()).select_from(desired.members)) or 0
    found = _measure(connection, planner, kept, usable)
    unseen = everybody - found.customers - sum(kept.barred.values())
    gone = {"no row in the users' table": unseen} if unseen else {}
    return replace(found, customers=everybody, shrink={**found.shrink, **kept.barred, **gone})


def _measure(connection: Connection, planner: Planner, desired: Desired, usable: sa.ColumnElement[bool]) -> Reach:
    required = _required(planner, desired)
    has_some = desired.has_identifier()
    known = sa.and_(has_some, usable)
    lacking = [sa.func.sum(sa.case((known & blank, 1), else_=0)) for blank in required.values()]
    whole = sa.and_(known, *(~blank for blank in required.values()))
    query = sa.select(
        sa.func.sum(sa.case((known, 1), else_=0)),
        sa.func.count(desired.members.c.user_key.distinct()),
        sa.func.count(sa.case((has_some, desired.members.c.user_key)).distinct()),
        sa.func.count(sa.case((known, desired.members.c.user_key)).distinct()),
        sa.func.sum(sa.case((whole, 1), else_=0)),
        sa.func.count(sa.case((whole, desired.identifier())).distinct()),
        *lacking,
    ).select_from(desired.joined())
    rows, customers, some, named, able, people, *without = (int(each or 0) for each in connection.execute(query).one())
    expansion = rows - named
    # Rows of one customer with one address are told apart only where they are refused.
    copies = 0 if planner.activation.on_duplicate != "fail" else expansion
    kinds = " or ".join(desired.identifier_kinds)
    reasons = {
        f"no {kinds}": customers - some,
        f"no usable {kinds}": some - named,
        **{f"no {name}": number for name, number in zip(required, without, strict=True)},
        f"the same {kinds} as another": max(able - people - copies, 0),
    }
    return Reach(customers, people, expansion, {why: number for why, number in reasons.items() if number})


def rows_to_send(connection: Connection, desired: Desired, limit: int) -> Iterator[dict[str, Any]]:
    """What would be sent of the first customers by key: identifier, then every mapped name. Personal data."""
    columns = {"identifier": desired.identifier()}
    columns |= {each.attribute: desired.values[each.column] for each in desired.columns}
    query = sa.select(*(value.label(name) for name, value in columns.items())).select_from(desired.joined())
    query = (
        query.where(desired.has_identifier(), desired.looks_usable()).order_by(desired.members.c.user_key).limit(limit)
    )
    for row in connection.execute(query).mappings():
        yield dict(row)


def _required(planner: Planner, desired: Desired) -> dict[str, sa.ColumnElement[bool]]:
    """What the service can't do without besides one identifier -> whether somebody lacks it."""
    spec = planner.runtime.spec(planner.name)
    options = spec.options_model.model_validate(planner.activation.options)
    columns = {each.attribute: desired.values[each.column] for each in desired.columns}
    names = [name for name in spec.required(options) if name in columns and name not in spec.identifiers(options)]
    return {name: ~has_text(columns[name]) for name in names}
