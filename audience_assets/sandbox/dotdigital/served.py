"""The Dotdigital twin as the command line serves it."""

from __future__ import annotations

from collections.abc import Iterable

from audience_assets.sandbox.dotdigital import DotdigitalSandbox
from audience_assets.sandbox.served import ACCOUNT, Person, Served


def serve(key: str, rate_limits: bool) -> Served:
    vendor = DotdigitalSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, user=ACCOUNT, password=key)

    def contact(person: Person) -> dict[str, str]:
        number = {"mobile": person["phone"].lstrip("+")} if "phone" in person else {}
        return {**({"email": person["email"]} if "email" in person else {}), **number}

    def seed(people: Iterable[Person]) -> int:
        return len(account.add_contacts(contact(person) for person in people))

    return Served(vendor, seed, lambda url: {"base_url": url, "api_user": ACCOUNT})
