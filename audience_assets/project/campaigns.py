"""What a team declares about campaigns: whom, cut how, split into which groups, sent where, measured how."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from audience_assets.project.activations import ActivationSettings
from audience_assets.project.conditions import Condition, Declared

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Group(Declared):
    """A share of a sub-audience: a treatment that is sent somewhere, or the control, which never is."""

    name: str
    percent: Decimal = Field(gt=0, le=100, decimal_places=2, description="of the sub-audience; all total exactly 100")
    control: bool = False
    destinations: list[str] = Field(default_factory=list, description="who gets this treatment's list")


class SubAudience(Declared):
    """A part of the campaign: by criteria, by saved segments (any of them), or both."""

    name: str
    where: Condition | None = None
    segments: list[str] = Field(default_factory=list)
    groups: list[Group] = Field(min_length=1)


class Remaining(Declared):
    """All remaining recipients. Without it they are sent nothing."""

    name: str = "Remaining"
    groups: list[Group] = Field(min_length=1)


class Split(Declared):
    """How people are given their group, and what happens to them when the percentages change.

    `keep`: whoever has a group keeps it. `rebalance`: the fewest people possible move. `reshuffle`: everybody is drawn
    anew, once for each `round`.
    """

    method: Literal["auto", "hash", "exact"] = Field(
        default="auto", description="exact sizes, or by hash; auto: exact below 10,000 people"
    )
    sticky: Literal["keep", "rebalance", "reshuffle"] = "keep"
    round: int = Field(default=1, ge=1, description="of reshuffle: another number draws anew")
    stratify_by: list[str] = Field(default_factory=list, description="fields; the split is exact in each combination")


class AttributeSource(Declared):
    """One attribute sent with a group: `from` is model.field, a field of the default source, or campaign.group_name."""

    from_: str = Field(alias="from")
    to: str


class End(Declared):
    """When a recurring campaign ends; after so many deliveries, or on a day."""

    after: int | None = Field(default=None, ge=1)
    on: date | None = None


class CampaignSchedule(Declared):
    """When a campaign is computed and delivered. Without a cadence it is delivered once, at `start`."""

    type: Literal["one_time", "recurring"] = "one_time"
    cadence: Literal["hourly", "daily", "weekly"] = "daily"
    weekday: Weekday = "monday"
    at: str = "09:00"
    start: date | None = None
    end: End = End()


class Conversion(Declared):
    """Rows of an events model that count as a purchase."""

    model: str


class Value(Declared):
    """What a purchase is worth."""

    model: str
    field: str


class Measurement(Declared):
    """What is counted for everybody with a group, from the launch on."""

    window_days: int = Field(default=7, ge=1)
    conversion: Conversion | None = None
    value: Value | None = None
    items: Value | None = Field(default=None, description="field with the number of items of an order")
    useful_lift_percent: Decimal | None = Field(default=None, gt=0, description="warn if less can be seen only by luck")


class FileNames(Declared):
    """Templates over campaign, campaign_name, sub_audience, group_name, launch_date, window_days, delivery_date."""

    results: str = "{campaign_name}_results_{launch_date}_{window_days}d.csv"
    recipients: str = "{campaign_name}_{sub_audience}_{group_name}_{delivery_date}.csv"


class Campaign(Declared):
    """Included segments less excluded ones, cut into sub-audiences, each split into treatments and a control."""

    campaign: str = Field(description="id, fixed for good: it is the salt of the split")
    name: str | None = Field(default=None, description="what people call it; files and lists carry it")
    description: str | None = None
    labels: list[str] = Field(default_factory=list, max_length=10)
    owners: list[str] = Field(default_factory=list)
    model: str | None = Field(default=None, description="a users model; default the included segments'")
    include: list[str] = Field(min_length=1, max_length=10, description="segments; anybody in one of them")
    exclude: list[str] = Field(default_factory=list, max_length=10, description="segments; nobody in one of them")
    holdout: str | None = Field(default="universal", description="a universal control; null: nobody is held out")
    priority_list: str | None = None
    assignment: Literal["first_match", "all_matches"] = "first_match"
    split: Split = Split()
    sub_audiences: list[SubAudience] = Field(default_factory=list, max_length=60)
    remaining: Remaining | None = None
    attributes: dict[str, list[AttributeSource]] = Field(default_factory=dict, description="destination -> attributes")
    delivery: dict[str, ActivationSettings] = Field(
        default_factory=dict, description="destination -> settings over its default_activation"
    )
    schedule: CampaignSchedule = CampaignSchedule()
    launch: date | None = Field(default=None, description="when people get it; results are counted from here")
    measurement: Measurement = Measurement()
    files: FileNames = FileNames()


class Holdout(Declared):
    """A universal control: a share of everybody whom no campaign with this holdout is sent to."""

    percent: Decimal = Field(gt=0, lt=100, decimal_places=2)
    model: str | None = None
    from_: date | None = Field(default=None, alias="from")
    until: date | None = Field(default=None, description="the first day that is not held out any more")
