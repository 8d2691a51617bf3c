"""The shop's Klaviyo account: most customers are known, some opted in or out there."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from audience_assets.demo.day import ShopDay, new_address
from audience_assets.demo.vendors.base import Example, address_of
from audience_assets.destinations.identifiers import normal_phone
from audience_assets.sandbox.klaviyo import AccountSettings, KlaviyoAccount, KlaviyoSandbox
from audience_assets.sandbox.klaviyo.sftp_keys import key_pair

API_KEY = "pk_demo_sandbox_only"
ACCOUNT = "demo_shop"
KNOWN = 0.92
# No number for Norway: its people can't be texted, and their rows say so.
SENDERS = frozenset({"FR", "DE", "GB", "US", "BE"})


class KlaviyoShop:
    """Profiles with consent, and an SFTP host for files of them."""

    def __init__(self) -> None:
        self.vendor = KlaviyoSandbox(sftp_port=0)
        # Leaving one list opts out of that list only, so that whoever stops being a VIP keeps the newsletter.
        settings = AccountSettings(default_opt_in="double_opt_in", global_unsubscribe=False, sms_regions=SENDERS)
        self.account: KlaviyoAccount = self.vendor.account(ACCOUNT, key=API_KEY, settings=settings)
        self._pair = key_pair(API_KEY)
        self.vendor.sftp_user(ACCOUNT, ACCOUNT, self._pair.public)

    def environment(self, url: str) -> Mapping[str, str]:
        host = self.vendor.sftp
        by_sftp = {} if host is None else {"PORT": str(host.port), "HOST_KEY": host.host_key.fingerprint}
        return {
            "KLAVIYO_API_KEY": API_KEY,
            "KLAVIYO_BASE_URL": url,
            "KLAVIYO_SFTP_PRIVATE_KEY": self._pair.private,
            **{f"KLAVIYO_SFTP_{name}": value for name, value in by_sftp.items()},
        }

    def seed(self, customers: Sequence[Any], now: datetime, dice: random.Random) -> int:
        return self.account.add_profiles(_profiles(customers, now.replace(tzinfo=UTC), dice))

    def live(self, day: ShopDay, dice: random.Random) -> Iterator[tuple[str, int]]:
        """People opt out by a link in a mail; most new addresses and newcomers have got there by other ways."""
        tired = [person.email for person in day.tired if self.account.find(person.email)]
        for address in tired:
            self.account.opt_out(address)
        moved = [{"email": new_address(person)} for person in day.movers]
        self.account.add_profiles(row for row in moved if dice.random() < 0.8)
        newcomers = [_profile(customer) for customer in day.newcomers]
        self.account.add_profiles(row for row in newcomers if row and dice.random() < 0.7)
        yield "opted out at Klaviyo", len(tired)

    def examples(self, day: ShopDay) -> Iterator[Example]:
        """The first of each kind whom Klaviyo knows."""
        kinds = (
            (day.rising, False, "ordered, and is a VIP now"),
            (day.lapsed, False, "ordered, so is lapsed no more"),
            (day.rising, True, "is a VIP now, but opted out at Klaviyo"),
        )
        for people, opted_out, what in kinds:
            found = (person.email for person in people if self._has_opted_out(person.email) == opted_out)
            for address in list(found)[:1]:
                yield Example(address, what, partial(self._look, address))
        for person in [each for each in day.movers if self.account.find(new_address(each))][:1]:
            yield Example(person.email, "has a new address", partial(self._moved, person))

    def settle(self) -> None:
        self.account.finish_jobs()

    def standing(self, address: str) -> Standing:
        """The lists somebody is in at Klaviyo and their consent there."""
        profile = self.account.find(address)
        if profile is None:
            return Standing(known=False)
        names = tuple(each.name for each in self.account.lists if profile.number in each)
        return Standing(True, names, self._status(address, "email"))

    def _look(self, address: str) -> str:
        return str(self.standing(address))

    def _moved(self, person: Any) -> str:
        new = new_address(person)
        return f"{self.standing(person.email)}; {new}: {self.standing(new)}"

    def _has_opted_out(self, address: str) -> bool | None:
        held = self.account.consent(address)
        return held.status == "UNSUBSCRIBED" if held else None

    def _status(self, address: str, channel: str) -> str:
        held = self.account.consent(address, channel)
        return held.status.lower().replace("_", " ") if held else "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """One person as Klaviyo has them."""

    known: bool
    lists: tuple[str, ...] = ()
    email: str = ""

    def __str__(self) -> str:
        if not self.known:
            return "unknown"
        return f"{', '.join(self.lists) or 'no list'} (e-mail {self.email})"


def _profile(customer: Any) -> dict[str, Any] | None:
    """A customer as a profile; None without a usable address."""
    email = address_of(customer)
    if email is None:
        return None
    row: dict[str, Any] = {"email": email, "first_name": customer.first_name}
    phone = normal_phone(customer.phone, customer.country) if customer.sms_consent_at else None
    if isinstance(phone, str):
        row["phone_number"] = phone
    return row


def _profiles(customers: Sequence[Any], now: datetime, dice: random.Random) -> Iterator[dict[str, Any]]:
    for customer in customers:
        row = _profile(customer)
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
