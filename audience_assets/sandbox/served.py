"""The twins as the command line serves them: one account each. A new one is a function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from audience_assets.sandbox.dotdigital import DotdigitalSandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets.sandbox.vendor import SandboxVendor

ACCOUNT = "sandbox"
# A person by identifier, "email" and "phone", normalised; who has neither is left out.
Person = Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A twin with one account. `settings` are a destination's, but for the secret, by the twin's address."""

    vendor: SandboxVendor
    seed: Callable[[Iterable[Person]], int]
    settings: Callable[[str], Mapping[str, str]]


def _klaviyo(key: str, rate_limits: bool) -> Served:
    vendor = KlaviyoSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, key=key)
    names = {"email": "email", "phone": "phone_number"}

    def seed(people: Iterable[Person]) -> int:
        return account.add_profiles({names[kind]: value for kind, value in person.items()} for person in people)

    return Served(vendor, seed, lambda url: {"base_url": url})


def _dotdigital(key: str, rate_limits: bool) -> Served:
    vendor = DotdigitalSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, user=ACCOUNT, password=key)

    def contact(person: Person) -> dict[str, str]:
        number = {"mobile": person["phone"].lstrip("+")} if "phone" in person else {}
        return {**({"email": person["email"]} if "email" in person else {}), **number}

    def seed(people: Iterable[Person]) -> int:
        return len(account.add_contacts(contact(person) for person in people))

    return Served(vendor, seed, lambda url: {"base_url": url, "api_user": ACCOUNT})


# By vendor: from the key that the twin shall know, and whether it keeps to the vendor's rate limits.
TWINS: Mapping[str, Callable[[str, bool], Served]] = {"klaviyo": _klaviyo, "dotdigital": _dotdigital}
