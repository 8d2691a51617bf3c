"""Conditions: the tree that says who is in a segment.

Exactly one key decides the kind of a node (`all`, `field`, `related`, ...). Scalars arrive as text, as
written in the YAML; `value` is turned into the declared type of the field it is compared with when the
project is checked and compiled, because only the model knows it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

NODE_KEYS = ("all", "any", "not", "field", "related", "segment", "consent", "received", "sample", "rank", "list")


class Declared(BaseModel):
    """Base of everything a team declares: no unknown keys, never changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, str_strip_whitespace=False)


class Window(Declared):
    """When an event counts, half-open and ending at the run's `as_of` unless said otherwise."""

    within: str | None = Field(default=None, description="a duration: 90d is the last ninety days")
    between: tuple[str, str] | None = Field(default=None, description="two durations ago, the older first: [180d, 30d]")
    since: str | None = Field(default=None, description="a moment: 2026-01-31, start_of_month")
    until: str | None = Field(default=None, description="a moment, itself not included")
    all_time: bool = Field(default=False, description="whenever it happened")


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

    field: str = Field(description="a field, a calculated field, or one of a belongs-to model: product.category")
    op: str = Field(description="see operators")
    value: Any = Field(default=None, description="as the operator takes it; {field: NAME} compares with another field")
    nulls: Literal["default", "exclude"] = Field(
        default="default", description="a missing value satisfies negative operators (is_not, not_in); exclude: none"
    )
    ignore_case: bool | None = Field(default=None, description="default: as the field says")
    bounds: Literal["[]", "()", "[)", "(]"] = Field(
        default="[]", description="of between: [ includes the end, ( does not"
    )


class Related(Declared):
    """Existence, count or another measure over the rows of a to-many related model."""

    related: str = Field(description="the model, or the relationship's name; of a model two hops away, its name")
    quantifier: Literal["any", "none", "all"] | None = Field(
        default=None, description="some row, no row, or every row; any if neither it nor op is given"
    )
    measure: str | None = Field(default=None, description="count, or sum:FIELD, avg:, min:, max:, count_distinct:")
    window: Window | None = None
    where: Condition | None = Field(default=None, description="which rows count, over the related model")
    op: str | None = Field(default=None, description="compares the measure (count unless said otherwise) with value")
    value: Any = None
    bounds: Literal["[]", "()", "[)", "(]"] = "[]"


class SegmentMember(Declared):
    """Membership of another segment."""

    segment: str
    is_member: bool = True
    joined_within: str | None = Field(default=None, description="a duration: who is in it, and came that lately")
    left_within: str | None = Field(default=None, description="a duration: who left it that lately")


class ConsentState(Declared):
    channel: str = Field(description="as written in the consent model: email")
    status: str = Field(description="as written in the consent model: subscribed")
    at: Window | None = None


class Consent(Declared):
    """The newest consent event of a channel has this status."""

    consent: ConsentState


class ReceivedSpec(Declared):
    campaign: str | None = Field(default=None, description="left out: any campaign for these users")
    within: str | None = Field(default=None, description="a duration: lately; left out: ever")
    at_least: int = Field(default=1, ge=1, description="so many different campaigns")


class Received(Declared):
    """Was a recipient of a campaign, in one of its treatment groups: for frequency caps."""

    received: ReceivedSpec


class SampleSpec(Declared):
    percent: float = Field(ge=0, le=100)
    salt: str = Field(description="any word; another salt takes other people")


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
    | Annotated[Received, Tag("received")]
    | Annotated[Sample, Tag("sample")]
    | Annotated[Rank, Tag("rank")]
    | Annotated[UploadedList, Tag("list")],
    Discriminator(node_kind),
]

for model in (All, Any_, Not, Related):
    model.model_rebuild()
