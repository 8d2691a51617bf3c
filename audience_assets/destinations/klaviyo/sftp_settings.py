"""The way by SFTP to one Klaviyo account: who we are, which host we expect, how its files look.

https://developers.klaviyo.com/en/docs/set_up_sftp_data_transfer
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from audience_assets.destinations.base import Mapped, MappingFault

# Klaviyo's sample names `Email`, `PhoneNumber` and `List ID`. The others are spelled alike; no source confirms them.
# https://github.com/klaviyo-labs/s3-triggered-sftp-ingestion
HEADERS = {
    "email": "Email",
    "phone": "PhoneNumber",
    "external_id": "ExternalID",
    "list": "List ID",
    "first_name": "FirstName",
    "last_name": "LastName",
    "organization": "Organization",
    "title": "Title",
}
CONFIRMED = ("email", "phone", "list")
FINGERPRINT, PUBLIC_KEYS = "SHA256:", ("ssh-", "ecdsa-", "sk-")
# A file must stay under Klaviyo's 50 MB for uploads in its pages; none is documented for SFTP.
LARGEST_PART = 50_000_000


class SftpSettings(BaseModel):
    """Only services that send files need these, and they need a user, a key and the host's key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sftp_username: str | None = Field(default=None, description="for imports by SFTP: the user that Klaviyo shows")
    sftp_private_key: SecretStr | None = Field(default=None, description="the SSH private key's text")
    sftp_private_key_file: str | None = Field(default=None, description="or the file that holds it")
    sftp_passphrase: SecretStr | None = Field(default=None, description="of the private key, if it has one")
    sftp_host: str = Field(default="sftp.klaviyo.com", description="the SFTP host")
    sftp_port: int = Field(default=22, ge=1, le=65535, description="its port")
    sftp_host_keys: tuple[str, ...] = Field(
        default=(),
        description="the host's keys: fingerprints `SHA256:...` or public keys `ssh-ed25519 AAAA...`. Any other host "
        "is refused",
    )
    sftp_known_hosts: str | None = Field(
        default=None, description="or a file of known hosts, as OpenSSH keeps them; `~` is the home folder"
    )
    sftp_folder: str = Field(default="/profiles", description="folder that Klaviyo takes profiles from")
    sftp_headers: dict[str, str] = Field(
        default_factory=dict,
        description="column headers by our names (email, phone, external_id, list, first_name, ...), where Klaviyo "
        "wants others than Email, PhoneNumber, ExternalID, List ID, FirstName, ...",
    )
    sftp_part_bytes: int = Field(
        default=48_000_000, ge=1_000, lt=LARGEST_PART, description="a larger file is cut into parts of this size"
    )
    sftp_bytes_per_second: int = Field(default=2_000_000, ge=1, description="how fast files leave, for estimates")
    sftp_rename: bool = Field(
        default=True,
        description="write under a temporary name and rename once whole. false: under its own name at once, should "
        "Klaviyo's host ever not rename or take the temporary file for an import",
    )

    @field_validator("sftp_host_keys", mode="before")
    @classmethod
    def _from_one_text(cls, value: Any) -> Any:
        """From the environment it is one text."""
        if isinstance(value, str):
            return [each.strip() for each in value.replace("\n", ",").split(",") if each.strip()]
        return value

    @field_validator("sftp_host_keys")
    @classmethod
    def _known_forms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not each.startswith((FINGERPRINT, *PUBLIC_KEYS)):
                raise ValueError("is neither a fingerprint SHA256:... nor a public key ssh-ed25519 AAAA...")
        return value

    @field_validator("sftp_folder")
    @classmethod
    def _without_slash_at_the_end(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("sftp_headers")
    @classmethod
    def _one_line_each(cls, value: dict[str, str]) -> dict[str, str]:
        if not all(header.strip() and header.isprintable() for header in value.values()):
            raise ValueError("a header is one line of text")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> SftpSettings:
        if self.sftp_private_key is not None and self.sftp_private_key_file is not None:
            raise ValueError("give sftp_private_key or sftp_private_key_file, not both")
        return self

    @property
    def has_sftp(self) -> bool:
        """Whether somebody said how to log in."""
        return self.sftp_username is not None and (
            self.sftp_private_key is not None or self.sftp_private_key_file is not None
        )

    def header(self, name: str) -> str:
        """How a column is called in a file; attributes we do not know keep their name and become custom properties."""
        known = self.sftp_headers.get(name) or HEADERS.get(name)
        if known is not None:
            return known
        top, _, rest = name.partition(".")
        # One of a profile's own, or of a place, spelled as the others are.
        return {"properties": rest, "location": rest.capitalize()}.get(top, name) if rest else name


def unconfirmed_headers(settings: SftpSettings, mapped: Mapped) -> list[str]:
    """Mapped columns that nobody has said the header of, neither Klaviyo's sample nor `sftp_headers`."""
    known = {*CONFIRMED, *settings.sftp_headers}
    own = {*HEADERS, *(name for name in mapped.attributes if name.startswith("location."))}
    return [name for name in (*mapped.identifiers, *mapped.attributes) if name in own and name not in known]


def header_faults(settings: SftpSettings, mapped: Mapped) -> Iterator[MappingFault]:
    """Two columns of one header."""
    headers: dict[str, str] = {settings.header("list"): "the list's id"}
    for place, names in (("identifiers", mapped.identifiers), ("fields", mapped.attributes)):
        for name in names:
            first = headers.setdefault(settings.header(name), name)
            if first != name:
                yield MappingFault((place, name), f"the columns of {first!r} and {name!r} would have the same header")
