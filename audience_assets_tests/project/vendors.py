"""A vendor with two services, one of which carries attributes: what the check knows of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from audience_assets.destinations.base import Connection, DestinationType, ListService, Operation, ServiceSpec


class PostSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=20)
    region: Literal["eu", "us"] = "eu"


class PostOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    paper: Literal["thin", "thick"]
    copies: int = Field(default=1, ge=1)


def _connect(connection: Connection) -> ListService:
    raise NotImplementedError("the check of a project connects to nobody")


def _service(name: str, *, carries_attributes: bool) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        title=name,
        description="Letters",
        options_model=PostOptions,
        creates_contacts=True,
        carries_attributes=carries_attributes,
        carries_consent=False,
        batch_sizes={Operation.ADD: 10},
        identifiers=lambda _: ["customer_number"],
        required=lambda _: ["customer_number", *(["address"] if carries_attributes else [])],
        tracked=lambda _: [],
        channels=lambda _: [],
        connect=_connect,
    )


POST = DestinationType(
    name="post",
    title="Post",
    settings_model=PostSettings,
    services={
        "post.letters": _service("post.letters", carries_attributes=True),
        "post.cards": _service("post.cards", carries_attributes=False),
    },
    account=lambda _: "post",
    secret_fields=("token",),
)
