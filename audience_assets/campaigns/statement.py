"""Who a campaign is for: one SELECT that gives everybody included their sub-audience, or the reason for none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.operands import operand
from audience_assets.audiences.predicates import base_conditions, holds, predicate
from audience_assets.audiences.scope import Scope
from audience_assets.audiences.statement import Statement, complete
from audience_assets.campaigns.meaning import Part, holdout_in_force, holdout_salt, parts
from audience_assets.project.campaigns import Campaign
from audience_assets.project.conditions import Condition, SegmentMember
from audience_assets.project.project import Project
from audience_assets.warehouse.functions import UnicodeLower, bucket
from audience_assets.warehouse.state import State

# Instead of the place of a sub-audience.
EXCLUDED, HELD_OUT, OUTRANKED, UNMATCHED = -1, -2, -3, -4
# Between the fields of a stratum, and for a missing one: no text that people write holds them.
SEPARATOR, MISSING = "\x1f", "\x1e"
Flag = sa.ColumnElement[bool]


@dataclass(frozen=True)
class Audience:
    """What the statement is made from. `rivals` are the keys of those whom a campaign that outranks this one has."""

    project: Project
    name: str
    state: State
    as_of: datetime
    rivals: Mapping[str, sa.Select[Any]] = field(default_factory=dict)

    @property
    def campaign(self) -> Campaign:
        return self.project.campaigns[self.name]

    @property
    def model(self) -> str:
        return self.project.campaign_model(self.name)

    @property
    def key_type(self) -> str:
        return self.project.models[self.model].key_type


def compile_audience(audience: Audience) -> sa.Select[Any]:
    """Everybody in an included segment: `user_key`, `place`, `stratum` (a text; empty unless the split asks for it).

    `place` is the number of the sub-audience from 0 on, or EXCLUDED, OUTRANKED, HELD_OUT or UNMATCHED. Held out is who
    would have a sub-audience without the holdout. With first match a person has one row; with all matches one for each
    sub-audience.
    """
    project = audience.project
    statement = Statement(project, Catalogue(project.settings), audience.as_of, audience.state, computing=audience.name)
    several = audience.campaign.assignment == "all_matches" and audience.campaign.sub_audiences
    build = _all_matches if several else _first_match
    return complete(lambda: build(audience, Scope(statement, audience.model)), statement)


def _first_match(audience: Audience, users: Scope) -> sa.Select[Any]:
    declared = parts(audience.campaign)
    matches = [(_in_part(part, users), number) for number, part in enumerate(declared)]
    left_out = _left_out(audience, users, [condition for condition, _ in matches])
    place = sa.case(*left_out, *matches, else_=UNMATCHED)
    return _everybody(audience, users, place.label("place"))


def _all_matches(audience: Audience, users: Scope) -> sa.Select[Any]:
    """The conditions are looked at once; then each person is repeated for every sub-audience they are in."""
    declared = parts(audience.campaign)
    conditions = [_in_part(part, users) for part in declared if not part.rest]
    flags = [sa.case((condition, 1), else_=0).label(f"in_{number}") for number, condition in enumerate(conditions)]
    matches = conditions if len(conditions) == len(declared) else [sa.true()]
    left_out = sa.case(*[*_left_out(audience, users, matches), (sa.false(), 0)], else_=0).label("barred")
    people = _everybody(audience, users, left_out, *flags).subquery("people")
    numbers = _numbers(len(flags))
    barred, number = people.c.barred, numbers.c.number
    matched = sa.case(*((number == each, people.c[f"in_{each}"]) for each in range(len(flags))), else_=0)
    unmatched = sa.and_(barred == 0, *(people.c[f"in_{each}"] == 0 for each in range(len(flags))))
    rest = len(flags) if len(flags) < len(declared) else UNMATCHED
    place = sa.case((barred < 0, barred), (unmatched, rest), else_=number)
    once = sa.and_(number == 0, sa.or_(barred < 0, unmatched))
    each = sa.and_(barred == 0, matched == 1)
    select = sa.select(people.c.user_key, place.label("place"), people.c.stratum)
    return select.select_from(people.join(numbers, sa.true())).where(sa.or_(once, each))


def _numbers(count: int) -> sa.Subquery:
    rows = [sa.select(sa.literal_column(str(number), sa.Integer()).label("number")) for number in range(count)]
    return sa.union_all(*rows).subquery("numbers")


def _everybody(audience: Audience, users: Scope, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    base = base_conditions(users)
    included = _in_any(audience.campaign.include, users)
    stratum = _stratum(audience.campaign.split.stratify_by, users).label("stratum")
    key = users.key.label("user_key")
    return sa.select(key, *columns, stratum).select_from(users.joined()).where(*base, included)


def _left_out(audience: Audience, users: Scope, matches: Sequence[Flag]) -> list[tuple[Flag, int]]:
    """Held out is whom one of the `matches` would have made a recipient: they are compared with the recipients."""
    found: list[tuple[Flag, int]] = []
    if audience.campaign.exclude:
        found.append((_in_any(audience.campaign.exclude, users), EXCLUDED))
    if audience.rivals:
        found.append((sa.or_(*(_is_of(name, rival, users) for name, rival in audience.rivals.items())), OUTRANKED))
    holdout = holdout_in_force(audience.project, audience.name, audience.as_of)
    if holdout is not None:
        held = bucket(holdout_salt(holdout.name), users.key) < holdout.buckets
        found.append((sa.and_(held, sa.or_(*matches)), HELD_OUT))
    return found


def _is_of(campaign: str, rival: sa.Select[Any], users: Scope) -> Flag:
    name = f"rival_{campaign}"
    keys = users.statement.cte(name, rival.distinct)
    joined = users.join(keys, users.key == keys.c.user_key, name)
    return holds(joined.c.user_key.is_not(None))


def _in_part(part: Part, users: Scope) -> Flag:
    return sa.true() if part.condition is None else holds(predicate(part.condition, users))


def _in_any(segments: Sequence[str], users: Scope) -> Flag:
    return sa.or_(*(_in_segment(name, users) for name in segments))


def _in_segment(name: str, users: Scope) -> Flag:
    """The segment's conditions themselves where they can stand here: the users need not be joined to themselves."""
    segment = users.statement.project.segments[name]
    member: Condition = SegmentMember(segment=name)
    if segment.limit is None:
        return sa.true() if segment.where is None else holds(predicate(segment.where, users))
    return predicate(member, users)


def _stratum(fields: Sequence[str], users: Scope) -> sa.ColumnElement[str]:
    """The fields' values as one text; a missing value is a value of its own."""
    texts: list[sa.ColumnElement[str]] = []
    for name in fields:
        found = operand(users, name)
        text = sa.cast(found.expression, sa.String)
        texts.append(sa.func.coalesce(UnicodeLower(text) if found.ignore_case else text, MISSING))
    if not texts:
        return sa.cast(sa.literal("", sa.String), sa.String)
    whole = texts[0]
    for each in texts[1:]:
        whole = whole + sa.literal(SEPARATOR, sa.String) + each
    return whole
