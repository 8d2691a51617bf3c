"""One account at a vendor's twin, as tests of all services see it. A new service is a class in a file beside this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self

import requests

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.vendor import SandboxVendor

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Objection(Enum):
    """What a person's opt-out at the vendor (`opt_out`) means for lists of the service."""

    NOTHING = "lists say nothing of consent"
    BARS = "whoever is in stays until they leave the audience, and does not come back"
    ENDS = "ends memberships, and those lists don't get the person back"


class VendorAccount(ABC):
    """Addresses are e-mail addresses in lower case. Whatever was accepted has taken effect before anything is told."""

    service: ClassVar[str]
    objection: ClassVar[Objection] = Objection.NOTHING
    # Whether contacts vanish at the vendor.
    can_delete: ClassVar[bool] = True
    # Settings of a destination that make its waits short.
    haste: ClassVar[Mapping[str, str]] = {"tries": "3", "first_wait_seconds": "0"}
    # What an activation says besides segment, destination and mapping.
    activation: ClassVar[Mapping[str, Any]] = {}
    # The twin's endpoints that change lists, and others that a storm should hit.
    writes: ClassVar[Sequence[str]] = ()
    reads: ClassVar[Sequence[str]] = ()
    # Choices of settings ("settings") and options ("options") under which every promise holds.
    variants: ClassVar[Sequence[Mapping[str, Mapping[str, str]]]] = ({},)
    # What the vendor does not document, the other way: switches of the twin under which every promise holds, too.
    otherwise: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.name = name
        self.variant = variant or {}

    @classmethod
    @abstractmethod
    def twin(cls, *, rate_limits: bool = False) -> SandboxVendor:
        """A new twin without delays."""

    @classmethod
    @abstractmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        """A new account of that name, or the one there is."""

    @classmethod
    def kind(cls) -> DestinationType:
        return DESTINATIONS[cls.service.partition(".")[0]]

    @abstractmethod
    def credentials(self, url: str) -> Mapping[str, str]:
        """Settings that lead to the account of the twin at `url`, secrets included."""

    def settings(self, url: str) -> dict[str, str]:
        """All settings of a destination."""
        return {**self.credentials(url), **self.haste, **self.variant.get("settings", {})}

    @property
    def options(self) -> Mapping[str, str]:
        return self.variant.get("options", {})

    @property
    @abstractmethod
    def switches(self) -> DataclassInstance:
        """The twin's, which all of its accounts share."""

    @abstractmethod
    def know(self, emails: Iterable[str]) -> None:
        """Make contacts of these."""

    @abstractmethod
    def people(self) -> list[str]:
        """The address of every contact, twice where two contacts share it."""

    @abstractmethod
    def adopt(self, list_name: str, emails: Iterable[str]) -> None:
        """Somebody else makes a list with these, who are contacts."""

    @abstractmethod
    def listed(self, list_name: str) -> list[str]:
        """Everybody in the list of that name; nobody if there is none. LookupError if there are several."""

    @abstractmethod
    def take_off(self, list_name: str, email: str) -> None:
        """Somebody takes the contact off the list by hand."""

    @abstractmethod
    def opt_out(self, email: str) -> None:
        """The person opts out, of everything."""

    @abstractmethod
    def opted_out(self) -> set[str]:
        """Everybody who is opted out."""

    @abstractmethod
    def delete(self, email: str) -> None:
        """Somebody deletes the contact."""

    def can_list(self, list_name: str, email: str) -> bool:  # noqa: ARG002 - some keep people off one list
        """Whether a wanted person has to be in the list, once all is quiet."""
        creates = self.kind().services[self.service].creates_contacts
        return creates or email in self.people()

    def attributes(self, email: str) -> Mapping[str, Any]:
        """What the vendor holds of a contact; only of services that carry attributes."""
        raise NotImplementedError(self.service)

    @abstractmethod
    def read(self, session: requests.Session, url: str, list_id: str) -> list[str]:
        """Everybody in the list, read over HTTP as any client of the vendor would."""


def page(answer: requests.Response) -> Any:
    answer.raise_for_status()
    return answer.json()
