"""What a team declares about delivery: destinations, their default settings, activations."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from audience_assets.project.conditions import Declared

Trigger = Literal["on_change", "schedule", "manual"]


OnDuplicate = Literal["fail", "first", "expand"]


class EnvValue(Declared):
    """A secret or setting read from the environment: `{env: NAME}`."""

    env: str


def _text_or_env(value: Any) -> str:
    return "environment" if isinstance(value, dict | EnvValue) else "literal"


# Chosen by shape, so that a mistake is reported once and not once for each alternative.
TextOrEnv = Annotated[
    Annotated[str, Tag("literal")] | Annotated[EnvValue, Tag("environment")], Discriminator(_text_or_env)
]


class Mapping(Declared):
    """Which fields of the users model become which identifiers and attributes at the vendor.

    A dotted name is a field of a model that the users model belongs to: `account.plan`.
    """

    identifiers: dict[str, str] = Field(default_factory=dict, description="email, phone, ... -> field")
    fields: dict[str, str] = Field(
        default_factory=dict, description="vendor attribute -> field, which may be calculated, or dotted"
    )
    default_region: str | None = Field(default=None, description="ISO country for phones without a country code")
    region: str | None = Field(default=None, description="field with the ISO country of a person's phone")


class ConsentEvents(Declared):
    """A consent events model: one row per change, the newest decides."""

    model: str
    channel: str = Field(default="channel", description="field with the channel's name")
    status: str = Field(default="status", description="field with the status")
    channels: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        default_factory=dict,
        description="channel -> what the history calls it, where not by its name; a word may stand for several",
    )
    opted_in: list[str] = Field(default=["subscribed"], min_length=1)
    opted_out: list[str] = Field(default=["unsubscribed"], min_length=1)
    source: str | None = Field(default=None, description="field with where the consent came from")


class ConsentSettings(Declared):
    """What is known of people's consent and how it is used."""

    import_history: bool = False
    consent_at: dict[str, str] = Field(
        default_factory=dict, description='"Consent At": channel -> field of the users model'
    )
    history: ConsentEvents | None = None
    resubscribe: Literal["never", "if_newer_consent", "always"] = "if_newer_consent"


class Schedule(Declared):
    """When an activation is synced whatever has changed."""

    cadence: Literal["hourly", "daily", "weekly"] = "daily"
    at: str = "06:00"
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"


class Guard(Declared):
    """Limits that stop a plan before its first call."""

    min_size: int = Field(default=1, ge=0, description="an audience below this is suspicious")
    max_removed_percent: float = Field(default=30, ge=0, le=100, description="of the list's present members")
    max_change_percent: float | None = Field(default=None, ge=0, description="added and removed, of the list")
    max_source_age: str | None = Field(default=None, description="e.g. 2d: a segment older than this is stale")


class ActivationSettings(Declared):
    """Everything an activation can say; a destination's `default_activation` says the same things."""

    service: str | None = None
    list_name: str | None = Field(
        default=None, description="template over segment_name, segment_label, activation, destination"
    )
    mapping: Mapping | None = None
    consent: ConsentSettings | None = None
    options: dict[str, Any] | None = Field(default=None, description="the service's own settings, e.g. channels")
    schedule: Schedule | None = None
    trigger: Trigger | None = None
    guard: Guard | None = None
    foreign: Literal["keep"] | None = Field(default=None, description="members we did not add; they stay")
    on_duplicate: OnDuplicate | None = Field(
        default=None,
        description="where a joined model has several rows of somebody: `fail` refuses, `first` takes one, always the "
        "same, `expand` sends one for each address",
    )
    owners: list[str] | None = None
    tags: dict[str, str] | None = None
    fresh_within: str | None = Field(default=None, description="a list not delivered for this long is stale, e.g. 26h")


class DefaultAttributes(Declared):
    """What activations of a destination map that carry attributes, where they map nothing else.

    The model may be another than the segments are built on: it is joined by a declared relationship, or by its key.
    """

    model: str
    identifiers: dict[str, str] = Field(default_factory=dict, description="email, phone, ... -> field of the model")
    fields: dict[str, str] = Field(default_factory=dict, description="vendor attribute -> field of the model")
    region: str | None = Field(default=None, description="field with the ISO country of a person's phone")


class Destination(Declared):
    """One vendor account. `settings` are checked against the vendor's own settings model."""

    type: str
    settings: dict[str, Any] = Field(default_factory=dict)
    default_attributes: DefaultAttributes | None = None
    default_activation: ActivationSettings = ActivationSettings()
    description: str | None = None


class Activation(ActivationSettings):
    """Audience x destination service: owns exactly one destination list."""

    activation: str
    segment: str
    destination: str
    description: str | None = None


class Treatment(Activation):
    """What delivers one treatment group of a campaign to one destination. Made from the campaign, never written.

    `segment` is the treatment's audience. `own_attributes`: the campaign lists the attributes it sends there, in the
    place of those that are mapped further down.
    """

    campaign: str
    own_attributes: bool = False
    constants: dict[str, str] = Field(default_factory=dict)


class EffectiveActivation(Declared):
    """An activation with every setting decided: activation over destination default over service default."""

    name: str
    audience: str = Field(description="a segment, or a campaign's treatment group: campaign.sub_audience.group")
    model: str
    destination: str
    destination_type: str
    service: str
    list_name: str
    mapping: Mapping
    constants: dict[str, str] = Field(
        default_factory=dict, description="vendor attribute -> text that everybody in the list is sent"
    )
    consent: ConsentSettings
    options: dict[str, Any]
    schedule: Schedule
    trigger: Trigger
    guard: Guard
    foreign: Literal["keep"]
    on_duplicate: OnDuplicate = "fail"
    owners: list[str]
    tags: dict[str, str]
    fresh_within: str | None = Field(description="never stale without: a campaign ends")
    description: str | None
    origins: dict[str, str] = Field(description="dotted setting -> where it came from (file:line or a default)")
