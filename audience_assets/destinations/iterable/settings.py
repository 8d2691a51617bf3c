"""What an Iterable project needs to be reached, and what a contact list can be told."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

ProjectType = Literal["email", "user_id", "hybrid"]
EMAIL, USER_ID, HYBRID = "email", "user_id", "hybrid"

# Iterable support, "API Endpoints and Sample Payloads".
HOSTS = {"us": "https://api.iterable.com", "eu": "https://api.eu.iterable.com"}


class IterableSettings(BaseModel):
    """One Iterable project: a key belongs to one project in one data centre."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr = Field(description="server-side API key")
    project_type: ProjectType = Field(
        description="what identifies people in the project: email, user_id or hybrid. The API does not tell it"
    )
    data_center: Literal["us", "eu"] = Field(default="us", description="where the project is kept: us or eu")
    base_url: str | None = Field(default=None, description="another address, for the sandbox")
    account: str | None = Field(
        default=None,
        description="names the project for pools and shared rate limits; by default a fingerprint of the key",
    )
    trust_known_contacts: bool = Field(
        default=False,
        description="do not look members up again before a write that would create them if they were deleted since",
    )
    update_call: Literal["bulk_update", "subscribe"] = Field(
        default="bulk_update",
        description="how attributes of members are updated where the project is no email project. subscribe looks "
        "nobody up, but may start journeys again and brings back who was taken off the list by hand",
    )
    unknown_leavers: Literal["look_up", "send"] = Field(
        default="look_up",
        description="email projects: whether Iterable creates whom an unsubscribe names and it does not know is not "
        "documented. look_up leaves them out",
    )
    bulk_calls_per_second: int = Field(default=4, ge=1, description="Iterable allows 5; other integrations share it")
    list_calls_per_second: int = Field(default=4, ge=1, description="subscribe and unsubscribe; no limit is published")
    rows_per_call: int = Field(default=1000, ge=1, le=1000, description="most people in one call")
    bytes_per_call: int = Field(default=3_800_000, ge=1_000, description="largest body; Iterable takes 4 MB")
    lookups_at_once: int = Field(default=16, ge=1, le=64, description="threads that look people up")
    new_list_tries: int = Field(default=6, ge=1, description="how often a list that is not ready yet is tried")
    new_list_wait_seconds: float = Field(default=2.0, ge=0, description="wait for such a list at first; doubles")
    tries: int = Field(default=6, ge=1, le=20, description="how often a call is tried in an outage")
    first_wait_seconds: float = Field(default=0.5, ge=0, description="wait after the first failure; doubles")
    timeout_seconds: float = Field(default=60, gt=0, description="how long one call may take")
    members_timeout_seconds: float = Field(
        default=1800, gt=0, description="how long reading a whole list may take before its first byte"
    )

    @field_validator("base_url")
    @classmethod
    def _without_path_end(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        return value.rstrip("/") if value else value

    @property
    def url(self) -> str:
        return self.base_url or HOSTS[self.data_center]


class ContactListOptions(BaseModel):
    """What an activation can say to `iterable.contact_list`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    create_fields: bool = Field(
        default=True, description="create mapped attributes that Iterable does not have; they can't be deleted there"
    )
    nulls: Literal["ours", "always"] = Field(
        default="ours",
        description="which empty values clear an attribute: those that we wrote before, or always",
    )
    list_description: str | None = Field(default=None, description="description of a list we create")


def account_name(settings: BaseModel) -> str:
    """A name for the project that does not reveal the key."""
    assert isinstance(settings, IterableSettings)  # noqa: S101
    if settings.account:
        return f"iterable-{settings.account}"
    fingerprint = hashlib.sha256(settings.api_key.get_secret_value().encode()).hexdigest()
    return f"iterable-{fingerprint[:10]}"
