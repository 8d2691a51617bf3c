"""What a team declares about its data: models, relationships, calculated fields, segments."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from audience_assets.project.conditions import Condition, Declared

FieldType = Literal["text", "integer", "number", "boolean", "date", "timestamp", "uuid", "list"]


class ModelField(Declared):
    """One column of a model. `column` defaults to the field's name."""

    type: FieldType
    column: str | None = None
    pii: bool = Field(default=False, description="personal data: redacted in previews, never in logs")
    ignore_case: bool = False
    description: str | None = None


class Model(Declared):
    """A warehouse table or view with a key."""

    type: Literal["users", "events", "custom"]
    table: str = Field(description="table, or schema.table")
    key: str
    key_type: Literal["integer", "text", "uuid"] = "text"
    timestamp: str | None = Field(default=None, description="when the row happened; required for events")
    role: Literal["consent"] | None = None
    base_filter: Condition | None = None
    fields: dict[str, ModelField] = Field(default_factory=dict)
    asset_key: list[str] | None = Field(default=None, description="upstream Dagster asset, e.g. dbt's")
    watermark: str | None = Field(default=None, description="field whose maximum tells that the table changed")
    description: str | None = None


class Relationship(Declared):
    """How rows of two models belong together: {field of `from`: field of `to`}."""

    from_: str = Field(alias="from")
    to: str
    kind: Literal["has_many", "belongs_to"]
    on: dict[str, str] = Field(min_length=1)
    name: str | None = Field(default=None, description="used in dotted paths; default the model's singular or name")


class CalculatedField(Declared):
    """An aggregate over a related model, or arithmetic over fields of the same row."""

    aggregate: str | None = Field(default=None, description="count, or sum:FIELD, avg:, min:, max:, count_distinct:")
    over: str | None = None
    within: str | None = None
    where: Condition | None = None
    formula: str | None = None


class Limit(Declared):
    """Keep only the first members by a field; ties are broken by hash."""

    top: int = Field(ge=1)
    by: str
    order: Literal["asc", "desc"] = "desc"


class Segment(Declared):
    """A named set of users."""

    segment: str
    label: str | None = None
    description: str | None = None
    model: str | None = Field(default=None, description="a users model; default the only one")
    tags: list[str] = Field(default_factory=list)
    owners: list[str] = Field(default_factory=list)
    where: Condition | None = Field(default=None, description="none means everybody")
    limit: Limit | None = None
    min_size: int = Field(default=1, ge=0)
    max_size_change_percent: Decimal | None = Field(default=None, ge=0)


class ReachChannel(Declared):
    """How a person is reached on a channel."""

    field: str | None = None
    fields: list[str] = Field(default_factory=list)
    valid: Literal["email", "e164"] | None = Field(
        default=None,
        description="looks to SQL like an address; `e164` where every number is written +33612345678: lists take other "
        "spellings as well",
    )
    consent: str | None = Field(default=None, description="status the newest consent event must have")


class Insights(Declared):
    """What `insights` counts for each segment."""

    value_model: str | None = Field(default=None, description="events model of purchases")
    value_field: str | None = Field(default=None, description="what a row of it is worth")
    order_field: str | None = Field(
        default=None, description="names the order, where the model has a row a line; by default a row is an order"
    )
    items_field: str | None = Field(default=None, description="number of items of a row")
    active_within: str = Field(default="12mo", description="a purchase within it makes a member active")
    channels: dict[str, ReachChannel] = Field(default_factory=dict)
    breakdowns: list[str] = Field(default_factory=list, description="fields to compare members with everybody by")
    overlap: list[str] = Field(default_factory=list, max_length=10, description="segments to compare with each other")
    daily_at: str | None = Field(default=None, description="when Dagster computes them every day, e.g. 07:00")
    privacy_floor: int = Field(
        default=0, ge=0, description="counts of fewer people are pointed out, and rare values not shown; 0 is off"
    )
