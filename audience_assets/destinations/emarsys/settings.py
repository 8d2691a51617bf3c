"""What an Emarsys account needs to be reached, and what a contact list can be told."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

HOST = "https://api.emarsys.net"
TOKEN_URL = "https://auth.emarsys.net/oauth2/token"  # noqa: S105 - where tokens are fetched, none itself


class EmarsysSettings(BaseModel):
    """An Emarsys account: OAuth 2.0 (`client_id`, `client_secret`), or the API user (`username`, `user_secret`) of old.

    https://dev.emarsys.com/docs/core-api-reference (Authentication)
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str | None = Field(default=None, min_length=1, description="of OAuth 2.0 (OpenID Connect) credentials")
    client_secret: SecretStr | None = Field(
        default=None, min_length=1, description="{env: NAME} of the environment variable with it"
    )
    username: str | None = Field(
        default=None, min_length=1, description="of an API user with X-WSSE, which Emarsys ends with the year 2026"
    )
    user_secret: SecretStr | None = Field(
        default=None, min_length=1, validate_default=True, description="{env: NAME} of the environment variable with it"
    )
    account: str | None = Field(
        default=None,
        min_length=1,
        description="a name for the credentials in logs and limits; a fingerprint of their name if not given",
    )
    base_url: str = Field(default=HOST, description="where the API is; one host for all regions")
    token_url: str = Field(
        default=TOKEN_URL, description="where tokens are; another one with SAP Cloud Identity Services"
    )
    requests_per_minute: int = Field(
        default=1000, ge=1, description="these credentials' limit; less where other tools use them too"
    )
    tries: int = Field(default=6, ge=1, le=20, description="how often a call is tried in an outage")
    first_wait_seconds: float = Field(default=0.5, ge=0, description="wait after the first failure; doubles")
    timeout_seconds: float = Field(default=60, gt=0, description="how long one call may take")

    @field_validator("base_url", "token_url")
    @classmethod
    def _without_path_end(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        # A token URL with a slash at its end is not found.
        return value.rstrip("/")

    @field_validator("user_secret")
    @classmethod
    def _one_pair_of_credentials(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Said of one field and not of the whole, so that it is noticed before the environment is read."""
        oauth = [info.data.get("client_id"), info.data.get("client_secret")]
        wsse = [info.data.get("username"), value]
        if not (all(oauth) and not any(wsse)) and not (all(wsse) and not any(oauth)):
            raise ValueError("needs client_id and client_secret, or (of old) username and user_secret")
        return value

    @property
    def version(self) -> Literal["v2", "v3"]:
        """The API's version: bearer tokens work with v3 only, X-WSSE with v2."""
        return "v3" if self.client_id else "v2"


class ContactListOptions(BaseModel):
    """What an activation can say to `emarsys.contact_list`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicates: Literal["reject", "add_all"] = Field(
        default="reject",
        description="an address that several contacts have: the row is rejected, or all of them are added",
    )
    email_case: Literal["lower", "as_written"] = Field(
        default="lower",
        description="addresses are sent in lower case; as_written tries the warehouse's spelling first, for accounts "
        "that tell capitals apart",
    )
    description: str | None = Field(
        default=None, min_length=1, description="of a list we create; Emarsys lets nobody change it later"
    )


def account_name(settings: BaseModel) -> str:
    """A name for the credentials, which is what Emarsys limits, that does not reveal them."""
    assert isinstance(settings, EmarsysSettings)  # noqa: S101
    if settings.account:
        return f"emarsys-{settings.account}"
    name = settings.client_id or settings.username or ""
    return f"emarsys-{hashlib.sha256(name.encode()).hexdigest()[:10]}"
