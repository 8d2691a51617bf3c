"""The Emarsys twin as the command line serves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from audience_assets.sandbox.emarsys import EmarsysSandbox
from audience_assets.sandbox.served import ACCOUNT, Person, Served


def serve(key: str, rate_limits: bool) -> Served:
    vendor = EmarsysSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, client=(ACCOUNT, key))

    def seed(people: Iterable[Person]) -> int:
        return account.add_contacts({"email": person["email"]} for person in people if "email" in person)

    def settings(url: str) -> Mapping[str, str]:
        return {"base_url": url, "token_url": f"{url}/oauth2/token", "client_id": ACCOUNT}

    return Served(vendor, seed, settings)
