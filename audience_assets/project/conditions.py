"""Conditions: the tree that says who is in a segment.

Exactly one key decides the kind of a node (`all`, `field`, `related`, ...). Scalars arrive as text, as
written in the YAML; `value` is turned into the declared type of the field it is compared with when the
project is checked and compiled, because only the model knows it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

NODE_KEYS = ("all", "any", "not", "field", "related", "segment", "consent", "sample", "rank", "list")


class Declared(BaseModel):
    """Base of everything a team declares: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=False)


class Window(Declared):
    """When an event counts, half-open and ending at the run's `as_of` unless said otherwise."""

    within: str | None = None
    between: tuple[str, str] | None = None
    since: str | None = None
    until: str | None = None
    all_time: bool = False


class All(Declared):
    """Every child holds."""

    all: list[Condition] = Field(min_length=1)


class Any_(Declared):  # noqa: N801 - `Any` is typing's
    """At least one child holds."""

    any: list[Condition] = Field(min_length=1)


class Not(Declared):
    """The complement of the child within the users model."""

    not_: Condition = Field(alias="not")


class FieldCondition(Declared):
    """A test of one field of the model at hand; a dotted name follows belongs-to relationships."""

    field: str
    op: str
    value: Any = None
    nulls: Literal["default", "exclude"] = "default"
    ignore_case: bool | None = None
    bounds: Literal["[]", "()", "[)", "(]"] = "[]"


class Related(Declared):
    """Existence, count or another measure over the rows of a to-many related model."""

    related: str
    quantifier: Literal["any", "none", "all"] | None = None
    measure: str | None = Field(default=None, description="count, or sum:FIELD, avg:, min:, max:, count_distinct:")
    window: Window | None = None
    where: Condition | None = None
    op: str | None = None
    value: Any = None
    bounds: Literal["[]", "()", "[)", "(]"] = "[]"


class SegmentMember(Declared):
    """Membership of another segment."""

    segment: str
    is_member: bool = True
    joined_within: str | None = None
    left_within: str | None = None


class ConsentState(Declared):
    channel: str
    status: str
    at: Window | None = None


class Consent(Declared):
    """The newest consent event of a channel has this status."""

    consent: ConsentState


class SampleSpec(Declared):
    percent: float = Field(ge=0, le=100)
    salt: str


class Sample(Declared):
    """A deterministic random share of everybody."""

    sample: SampleSpec


class RankSpec(Declared):
    by: str
    top: int | None = Field(default=None, ge=1)
    top_percent: float | None = Field(default=None, gt=0, le=100)
    bottom: int | None = Field(default=None, ge=1)
    bottom_percent: float | None = Field(default=None, gt=0, le=100)


class Rank(Declared):
    """A place in the order of the whole users model; ties are broken by hash."""

    rank: RankSpec


class UploadedList(Declared):
    """The user's key is in `lists/<name>.csv` of the project."""

    list: str


def node_kind(value: Any) -> str | None:
    """The key that decides a node's kind; None lets pydantic report an unknown node."""
    if isinstance(value, BaseModel):
        names = {field.alias or name for name, field in type(value).model_fields.items()}
        return next((key for key in NODE_KEYS if key in names), None)
    if isinstance(value, dict):
        return next((key for key in NODE_KEYS if key in value), None)
    return None


Condition = Annotated[
    Annotated[All, Tag("all")]
    | Annotated[Any_, Tag("any")]
    | Annotated[Not, Tag("not")]
    | Annotated[FieldCondition, Tag("field")]
    | Annotated[Related, Tag("related")]
    | Annotated[SegmentMember, Tag("segment")]
    | Annotated[Consent, Tag("consent")]
    | Annotated[Sample, Tag("sample")]
    | Annotated[Rank, Tag("rank")]
    | Annotated[UploadedList, Tag("list")],
    Discriminator(node_kind),
]

for model in (All, Any_, Not, Related):
    model.model_rebuild()
