"""What a team declares about campaigns: whom, cut how, split into which groups, sent where, measured how."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from audience_assets.project.activations import ActivationSettings
from audience_assets.project.conditions import Condition, Declared
from audience_assets.project.days import Day

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# Days; ten years.
LONGEST_WINDOW = 3660


class Group(Declared):
    """A share of a sub-audience: a treatment that is sent somewhere, or the control, which never is."""

    name: str = Field(description="letters, digits, spaces, _ and -; lists and files carry it")
    percent: Decimal = Field(gt=0, le=100, decimal_places=2, description="of the sub-audience; all total exactly 100")
    control: bool = Field(default=False, description="at most one a sub-audience; has no destinations")
    destinations: list[str] = Field(default_factory=list, description="a list of this treatment is kept at each")


class SubAudience(Declared):
    """A part of the campaign: by criteria, by saved segments (any of them), or both."""

    name: str = Field(description="letters, digits, spaces, _ and -")
    where: Condition | None = Field(default=None, description="without it and `segments`: everybody who is left")
    segments: list[str] = Field(default_factory=list, description="saved segments; anybody in one of them")
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
    sticky: Literal["keep", "rebalance", "reshuffle"] = Field(
        default="keep", description="what changed percentages do to people who have a group"
    )
    round: int = Field(default=1, ge=1, description="of reshuffle: another number draws anew")
    stratify_by: list[str] = Field(default_factory=list, description="fields; the split is exact in each combination")


class AttributeSource(Declared):
    """One attribute sent with a group: `from` is model.field, a field of the default source, or campaign.group_name."""

    from_: str = Field(alias="from", description="field, model.field, or a fact: campaign.group_name")
    to: str = Field(description="identifier or attribute at the vendor")


class End(Declared):
    """When a recurring campaign ends; after so many deliveries, or on a day."""

    after: int | None = Field(default=None, ge=1, description="deliveries, counted from the start")
    on: Day | None = Field(default=None, description="the last day")


class CampaignSchedule(Declared):
    """When a campaign is computed and delivered, in the project's timezone.

    A one-time campaign is delivered at its start, or by hand without one.
    """

    type: Literal["one_time", "recurring"] = "one_time"
    cadence: Literal["hourly", "daily", "weekly"] = "daily"
    weekday: Weekday = "monday"
    at: str = Field(default="09:00", description="time of day, HH:MM")
    start: Day | None = Field(default=None, description="the first day on which it may be delivered")
    end: End = Field(default=End(), description="of a recurring campaign; never without")


class Conversion(Declared):
    """Rows of an events model that count as a purchase."""

    model: str = Field(description="an events model that people have many of")
    order_field: str | None = Field(
        default=None, description="names the order, where the model has a row a line; by default a row is an order"
    )


class Value(Declared):
    """What a purchase is worth."""

    model: str = Field(description="an events model that people have many of")
    field: str = Field(description="a number")


class Measurement(Declared):
    """What is counted for everybody with a group, from the launch on."""

    window_days: int = Field(default=7, ge=1, le=LONGEST_WINDOW, description="from the launch on")
    conversion: Conversion | None = Field(default=None, description="default: of the value, else of the insights")
    value: Value | None = Field(default=None, description="default: that of the insights")
    items: Value | None = Field(
        default=None, description="field with the number of items of an order; default: that of the insights"
    )
    cap_revenue_percentile: Decimal | None = Field(
        default=None,
        ge=50,
        lt=100,
        decimal_places=2,
        description="count one person's revenue up to this percentile of a sub-audience's, e.g. 99.9",
    )
    useful_lift_percent: Decimal | None = Field(
        default=None, gt=0, le=1_000_000, description="warn if less can be seen only by luck"
    )


class FileNames(Declared):
    """Templates over campaign, campaign_name, sub_audience, group_name, launch_date, window_days, delivery_date."""

    results: str = "{campaign_name}_results_{launch_date}_{window_days}d.csv"
    recipients: str = "{campaign_name}_{sub_audience}_{group_name}_{delivery_date}.csv"


class Campaign(Declared):
    """Included segments less excluded ones, cut into sub-audiences, each split into treatments and a control."""

    campaign: str = Field(description="id, fixed for good: it is the salt of the split")
    name: str | None = Field(default=None, description="what people call it; files and lists carry it")
    description: str | None = None
    state: Literal["draft", "active", "archived"] = Field(
        default="active",
        description="a draft is checked and previewed, never delivered; an archived one keeps its lists as they are, "
        "its groups and its results, and is delivered no more",
    )
    labels: list[str] = Field(default_factory=list, max_length=10, description="of at most 35 characters each")
    owners: list[str] = Field(default_factory=list)
    model: str | None = Field(default=None, description="a users model; default the included segments'")
    include: list[str] = Field(min_length=1, max_length=10, description="segments; anybody in one of them")
    exclude: list[str] = Field(default_factory=list, max_length=10, description="segments; nobody in one of them")
    holdout: str | None = Field(default="universal", description="a universal control; null: nobody is held out")
    priority_list: str | None = Field(default=None, description="people are kept in its first campaign only")
    assignment: Literal["first_match", "all_matches"] = Field(
        default="first_match", description="people go to the first sub-audience that they match, or to each"
    )
    split: Split = Split()
    sub_audiences: list[SubAudience] = Field(default_factory=list, max_length=60, description="in order")
    remaining: Remaining | None = Field(default=None, description="who is in no sub-audience; sent nothing without")
    attributes: dict[str, list[AttributeSource]] = Field(
        default_factory=dict, description="destination -> attributes, in the place of its default attributes"
    )
    delivery: dict[str, ActivationSettings] = Field(
        default_factory=dict, description="destination -> settings over its default_activation"
    )
    schedule: CampaignSchedule = CampaignSchedule()
    launch: Day | None = Field(default=None, description="when people get it; results are counted from here")
    measurement: Measurement = Measurement()
    files: FileNames = FileNames()

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.campaign


class Holdout(Declared):
    """A universal control: a share of everybody whom no campaign with this holdout is sent to."""

    percent: Decimal = Field(gt=0, lt=100, decimal_places=2)
    model: str | None = None
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = Field(default=None, description="the first day that is not held out any more")
