"""What a Dotdigital account needs to be reached, and what a contact list can be told."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

IdentifierKind = Literal["contact_id", "email", "phone"]
Visibility = Literal["private", "public"]


class DotdigitalSettings(BaseModel):
    """One Dotdigital account, reached as one of its API users."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_user: str = Field(min_length=1, description="name of the API user, apiuser-...@apiconnector.com")
    password: SecretStr = Field(description="the API user's password")
    base_url: str = Field(
        default="https://r1-api.dotdigital.com",
        description="where account information is asked; another address for the sandbox",
    )
    find_region: bool = Field(
        default=True, description="take the account's own address from its information; false: base_url is that address"
    )
    account: str | None = Field(
        default=None,
        description="names the account for pools and shared rate limits; set it where one account has several API "
        "users. By default a fingerprint of the user",
    )
    rate_limits: Literal["tiered", "flat"] = Field(
        default="tiered", description="the API user's scheme: calls a minute by tier, or calls an hour"
    )
    low_tier_per_minute: int = Field(
        default=35, ge=1, description="calls a minute in the tier Low, until the account's answers say the number"
    )
    flat_per_hour: int = Field(default=2000, ge=1, description="calls an hour of the flat scheme")
    batch_size: int = Field(default=5000, ge=1, le=5000, description="people in one import")
    imports_in_flight: int = Field(
        default=5, ge=1, le=25, description="imports at work at once; the account's 25 are shared with its shop"
    )
    first_poll_seconds: float = Field(default=2, ge=0, description="wait before a job is asked after; grows by half")
    longest_poll_seconds: float = Field(default=30, ge=0, description="longest wait before a job is asked after")
    job_patience_seconds: float = Field(
        default=1800, gt=0, description="a job that takes longer is left alone, and the next sync decides anew"
    )
    tries: int = Field(default=6, ge=1, le=20, description="how often a call is tried in an outage")
    first_wait_seconds: float = Field(default=0.5, ge=0, description="wait after the first failure; doubles")
    # Calls may take 121 seconds, says "API conventions" of the developer hub.
    timeout_seconds: float = Field(default=125, gt=0, description="how long one call may take")

    @field_validator("base_url")
    @classmethod
    def _without_path_end(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/")


class ContactListOptions(BaseModel):
    """What an activation can say to `dotdigital.contact_list`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    identifier: IdentifierKind = Field(
        default="email",
        description="what contacts are matched by. One choice an account: contact_id where the warehouse has it",
    )
    visibility: Visibility | None = Field(
        default=None,
        description="of the list; kept so from then on. Not given: private where we create it, else left as it is",
    )
    tell_unreachable: bool = Field(
        default=True,
        description="read after adding who can't be reached, so that they are counted apart; a call for 5,000 people",
    )


def account_name(settings: BaseModel) -> str:
    """A name for the account that does not reveal the user."""
    assert isinstance(settings, DotdigitalSettings)  # noqa: S101
    if settings.account:
        return f"dotdigital-{settings.account}"
    fingerprint = hashlib.sha256(settings.api_user.lower().encode()).hexdigest()
    return f"dotdigital-{fingerprint[:10]}"
