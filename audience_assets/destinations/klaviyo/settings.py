"""What a Klaviyo account needs to be reached, and what a subscription list can be told."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from audience_assets.destinations.klaviyo.sftp_settings import SftpSettings

# The revision every request and answer here was written for. Newer ones are tried by changing this line (or the
# setting) and running the contract tests. https://developers.klaviyo.com/en/docs/api_versioning_and_deprecation_policy
REVISION = "2026-07-15"

Channel = Literal["email", "sms"]
OptInProcess = Literal["double_opt_in", "single_opt_in"]


class KlaviyoSettings(SftpSettings):
    """One Klaviyo account."""

    api_key: SecretStr | None = Field(
        default=None, description="private API key, pk_...; only imports by SFTP do without, and then can less"
    )
    base_url: str = Field(default="https://a.klaviyo.com", description="another address for the sandbox")
    revision: str = Field(default=REVISION, description="API revision, YYYY-MM-DD")
    account: str | None = Field(
        default=None,
        description="names the account for pools and shared rate limits; by default a fingerprint of the key",
    )
    tries: int = Field(default=6, ge=1, le=20, description="how often a call is tried in an outage")
    first_wait_seconds: float = Field(default=0.5, ge=0, description="wait after the first failure; doubles")
    timeout_seconds: float = Field(default=60, gt=0, description="how long one call may take")
    settle_seconds: float = Field(
        default=30,
        ge=0,
        description="wait before Klaviyo is asked what it did when the answer to a write was lost",
    )
    profiles_per_import: int = Field(
        default=2000, ge=1, le=10_000, description="most people in one import; Klaviyo takes 10,000 and 5 MB"
    )
    imports_in_flight: int = Field(default=8, ge=1, le=16, description="imports of one list at the same time")
    import_poll_seconds: float = Field(
        default=2, ge=0, description="wait before a job's state is read; grows by half each time"
    )
    longest_import_poll_seconds: float = Field(default=15, ge=0, description="greatest wait between two readings")
    import_patience_seconds: float = Field(
        default=1800, ge=0, description="how long a job may take; after that the next sync decides anew"
    )
    import_nulls: Literal["ignored", "clear"] = Field(
        default="ignored",
        description="what null does to Klaviyo's own fields in an import: its guide says nothing, others report "
        "that it clears. ignored clears them by one call a person",
    )

    @field_validator("base_url")
    @classmethod
    def _without_path_end(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _some_way_in(self) -> KlaviyoSettings:
        if self.api_key is None and self.sftp_username is None:
            raise ValueError("api_key is missing")
        return self


class SubscriptionListOptions(BaseModel):
    """What an activation can say to `klaviyo.subscription_list`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: tuple[Channel, ...] = Field(default=("email",), min_length=1, description="email, sms or both")
    opt_in_process: OptInProcess | None = Field(
        default=None,
        description="for a list we create; double_opt_in if not given. An existing list keeps its own",
    )
    custom_source: str | None = Field(
        default=None, description="source on Klaviyo's consent records; 'audience-assets: <list name>' if not given"
    )

    @field_validator("channels")
    @classmethod
    def _in_order_and_once(cls, value: tuple[Channel, ...]) -> tuple[Channel, ...]:
        if len(set(value)) != len(value):
            raise ValueError("names a channel twice")
        return tuple(sorted(value))


class SftpImportOptions(BaseModel):
    """What an activation can say to `klaviyo.sftp_import`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    add_to_list: bool = Field(default=True, description="put the people into a list; false: profiles alone")
    list_id: str | None = Field(
        default=None,
        min_length=1,
        description="the list's id at Klaviyo; needed without an api_key, with which it is found by list_name or made",
    )
    leavers: Literal["remove", "keep"] | None = Field(
        default=None,
        description="whether who leaves is taken off the list through the API; by default if there is an api_key",
    )
    opt_in_process: OptInProcess = Field(
        default="double_opt_in",
        description="for a list we create; nobody is asked to opt in by this service. An existing list keeps its own",
    )
    unchecked_identifiers: bool = Field(
        default=False,
        description="write phone numbers and external ids beside addresses without a look at whose they are. One that "
        "somebody else's profile has gives that profile, and its consent, the new address",
    )


class AudienceListOptions(BaseModel):
    """What an activation can say to `klaviyo.audience_list`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    opt_in_process: OptInProcess = Field(
        default="double_opt_in",
        description="for a list we create; nobody is asked to opt in by this service. An existing list keeps its own",
    )
    nulls: Literal["clear", "keep"] = Field(
        default="clear", description="whether an attribute that we wrote is cleared when it becomes empty"
    )
    route: Literal["auto", "api", "sftp"] = Field(
        default="auto",
        description="how people get into the list: by calls, by files over SFTP, or auto: by files where the "
        "destination has sftp_username and calls would take longer than sftp_from_minutes",
    )
    sftp_from_minutes: float = Field(
        default=10, ge=0, description="auto: files are taken from so many minutes by calls on, if they are faster"
    )


def account_name(settings: BaseModel) -> str:
    """A name for the account that does not reveal the key."""
    assert isinstance(settings, KlaviyoSettings)  # noqa: S101
    if settings.account:
        return f"klaviyo-{settings.account}"
    known_by = settings.api_key.get_secret_value() if settings.api_key else str(settings.sftp_username)
    fingerprint = hashlib.sha256(known_by.encode()).hexdigest()
    return f"klaviyo-{fingerprint[:10]}"
