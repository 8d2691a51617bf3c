"""The shop's Iterable project: whoever has its app is a user there, known by customer number."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from audience_assets.demo.day import ShopDay
from audience_assets.demo.vendors.base import Example, address_of
from audience_assets.destinations.iterable.values import looks_like_date
from audience_assets.sandbox.iterable import HYBRID, IterableProject, IterableSandbox

API_KEY = "demo_iterable_sandbox_only"
HAS_THE_APP = 0.6
# Somebody made this field a date once; the shop's column is text, and not all of it is one.
CLUB_FIELD = "clubSince"
SPENT_FIELD = "spent12m"


class IterableShop:
    """A hybrid project with one field of its own."""

    def __init__(self) -> None:
        self.vendor = IterableSandbox()
        self.project: IterableProject = self.vendor.project("demo_shop", key=API_KEY, project_type=HYBRID)
        self._undated: set[str] = set()

    def environment(self, url: str) -> Mapping[str, str]:
        return {"ITERABLE_API_KEY": API_KEY, "ITERABLE_BASE_URL": url}

    def seed(self, customers: Sequence[Any], now: datetime, dice: random.Random) -> int:
        members = [customer for customer in customers if customer.club_since]
        self._undated = {str(each.customer_id) for each in members if not looks_like_date(each.club_since)}
        self.project.fields.types |= {CLUB_FIELD: "date", "city": "string"}
        return self.project.add_users(_user(customer) for customer in customers if dice.random() < HAS_THE_APP)

    def live(self, day: ShopDay, dice: random.Random) -> Iterator[tuple[str, int]]:
        people = [*day.rising, *day.newcomers]
        yield "installed the app, so Iterable knows them", self.project.add_users(_user(each) for each in people)

    def examples(self, day: ShopDay) -> Iterator[Example]:
        """Somebody whose attribute changes, and somebody who has one that Iterable's field can't take."""
        fans = [str(user.user_id) for each in self.project.lists for user in self.project.members(each.id)]
        ordered = {str(person.customer_id) for person in [*day.rising, *day.lapsed]}
        kinds = ((ordered, "ordered, so spent more"), (self._undated, "has a club card without a date"))
        for numbers, what in kinds:
            for number in [each for each in fans if each in numbers][:1]:
                yield Example(f"user {number}", what, partial(self._look, number))

    def settle(self) -> None:
        self.project.finish()

    def _look(self, number: str) -> str:
        user = self.project.find(number)
        if user is None:
            return "unknown"
        data = user.data or {}
        lists = ", ".join(each.name for each in self.project.lists if user.number in each) or "no list"
        return f"{lists} ({SPENT_FIELD} {data.get(SPENT_FIELD, 'empty')}, {CLUB_FIELD} {data.get(CLUB_FIELD, 'empty')})"


def _user(customer: Any) -> dict[str, Any]:
    return {"userId": str(customer.customer_id), "email": address_of(customer), "dataFields": {"city": customer.city}}
