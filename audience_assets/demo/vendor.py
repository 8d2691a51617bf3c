"""The shop's Klaviyo account in the sandbox, as it is on the first morning."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.demo.tables import CUSTOMERS
from audience_assets.destinations.identifiers import normal_email, normal_phone
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import AccountSettings, KlaviyoAccount, KlaviyoSandbox

API_KEY = "pk_demo_sandbox_only"
ACCOUNT = "demo_shop"
KNOWN = 0.92
# No number for Norway: its people can't be texted, and their rows say so.
SENDERS = frozenset({"FR", "DE", "GB", "US", "BE"})


def new_sandbox(port: int = 0) -> Sandbox:
    """A sandbox with the shop's account and Klaviyo's real rate limits; not started."""
    klaviyo = KlaviyoSandbox()
    # Leaving one list opts out of that list only, so that whoever stops being a VIP keeps the newsletter.
    settings = AccountSettings(default_opt_in="double_opt_in", global_unsubscribe=False, sms_regions=SENDERS)
    klaviyo.account(ACCOUNT, key=API_KEY, settings=settings)
    return Sandbox([klaviyo], port=port)


def account_of(sandbox: Sandbox) -> KlaviyoAccount:
    """The shop's account."""
    account: KlaviyoAccount = sandbox.klaviyo.account(ACCOUNT)
    return account


def seed_vendor(engine: Engine, account: KlaviyoAccount, *, now: datetime, seed: int) -> int:
    """Make most customers known to Klaviyo, some of them opted in or out there; how many."""
    dice = random.Random(seed)  # noqa: S311 - the same contacts every time
    with engine.connect() as connection:
        customers = connection.execute(sa.select(CUSTOMERS).order_by(CUSTOMERS.c.customer_id)).all()
    return account.add_profiles(_contacts(customers, now.replace(tzinfo=UTC), dice))


def contact_row(customer: Any) -> dict[str, Any] | None:
    """A customer as a contact at Klaviyo; None without a usable address."""
    email = normal_email(customer.email)
    if not isinstance(email, str):
        return None
    row: dict[str, Any] = {"email": email, "first_name": customer.first_name}
    phone = normal_phone(customer.phone, customer.country) if customer.sms_consent_at else None
    if isinstance(phone, str):
        row["phone_number"] = phone
    return row


def _contacts(customers: Any, now: datetime, dice: random.Random) -> Iterator[dict[str, Any]]:
    for customer in customers:
        row = contact_row(customer)
        if row is None or dice.random() >= KNOWN:
            continue
        given = customer.email_consent_at
        lot = dice.random()
        if given and lot < 0.03:  # used the link in a mail, later than the shop knows
            row["consents"] = {"email": _held("UNSUBSCRIBED", now - timedelta(hours=6 + 40 * dice.random()))}
        elif given and lot < 0.04:  # opted out long ago and in again at the shop since
            row["consents"] = {"email": _held("UNSUBSCRIBED", given.replace(tzinfo=UTC) - timedelta(days=90))}
        elif given and given.replace(tzinfo=UTC) < now and lot < 0.6:
            row["consents"] = {"email": _held("SUBSCRIBED", given.replace(tzinfo=UTC))}
        yield row


def _held(status: str, at: datetime) -> dict[str, Any]:
    return {"status": status, "at": at}


@dataclass(frozen=True, slots=True)
class Standing:
    """One person as Klaviyo has them."""

    known: bool
    lists: tuple[str, ...] = ()
    email: str = ""
    sms: str = ""

    def __str__(self) -> str:
        if not self.known:
            return "unknown to Klaviyo"
        lists = ", ".join(self.lists) or "no list"
        return f"{lists} (e-mail {self.email}, sms {self.sms})"


def standing(account: KlaviyoAccount, address: str) -> Standing:
    """The lists somebody is in at Klaviyo and their consent there."""
    profile = account.find(address)
    if profile is None:
        return Standing(known=False)
    names = tuple(each.name for each in account.lists if profile.number in each)
    return Standing(True, names, _status(account, address, "email"), _status(account, address, "sms"))


def _status(account: KlaviyoAccount, address: str, channel: str) -> str:
    held = account.consent(address, channel)
    return held.status.lower().replace("_", " ") if held else "unknown"
