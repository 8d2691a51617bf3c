"""What is told of a segment: plain numbers, and the ratios that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from audience_assets.project.conditions import Condition

MISSING, OTHER = "(missing)", "(other)"
RATIOS = (
    "revenue_per_customer",
    "orders_per_customer",
    "average_order_value",
    "items_per_order",
    "average_item_value",
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Members who can be reached on a channel; each number is part of the one before it.

    `valid` and `consented` equal the number before where the channel asks for no such thing.
    """

    identified: int
    valid: int
    consented: int


@dataclass(frozen=True, slots=True)
class ListReach:
    """Members whom a list can hold: with a usable identifier and whatever the service requires.

    `complete` have every attribute that is mapped as well. The others of the segment are the shrink of a delivery.
    """

    destination: str
    reached: int
    complete: int


@dataclass(frozen=True)
class Value:
    """Sum of the value field over all time. Percentiles are of members with a value above zero."""

    total: float
    per_member: float
    spenders: int
    percentiles: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class RevenueTree:
    """What members bought within the active window; `items` is None where nothing says how many an order has.

    revenue = customers x revenue per customer; revenue per customer = orders per customer x average order value;
    average order value = items per order x average item value. A ratio to nothing is None.
    """

    customers: int
    orders: int
    revenue: float
    items: float | None

    @property
    def ratios(self) -> dict[str, float | None]:
        """Every ratio by its name."""
        return {name: getattr(self, name) for name in RATIOS}

    @property
    def revenue_per_customer(self) -> float | None:
        return ratio(self.revenue, self.customers)

    @property
    def orders_per_customer(self) -> float | None:
        return ratio(self.orders, self.customers)

    @property
    def average_order_value(self) -> float | None:
        return ratio(self.revenue, self.orders)

    @property
    def items_per_order(self) -> float | None:
        return ratio(self.items, self.orders)

    @property
    def average_item_value(self) -> float | None:
        return ratio(self.revenue, self.items)


@dataclass(frozen=True, slots=True)
class Step:
    """A top-level condition: users who hold it alone, and who hold it and all before it."""

    condition: Condition
    alone: int
    remaining: int


@dataclass(frozen=True, slots=True)
class Share:
    """How often a value occurs among the members and among everybody; shares are 0 to 1."""

    label: str  # the value, MISSING or OTHER
    members: int
    users: int
    of_members: float
    of_users: float

    @property
    def index(self) -> float | None:
        """1 is as common as among everybody, 2 twice as common."""
        return ratio(self.of_members, self.of_users)


@dataclass(frozen=True)
class SegmentInsights:
    """Sizes are numbers of users; `active` have a row of the value model within the window."""

    segment: str
    as_of: datetime
    size: int
    users: int
    active: int | None
    reach: Mapping[str, Reach]
    any_channel: int | None  # members who can be reached on at least one channel
    lists: Mapping[str, ListReach]
    value: Value | None
    revenue: RevenueTree | None
    waterfall: list[Step]
    breakdowns: Mapping[str, list[Share]]

    @property
    def share(self) -> float:
        """Part of all users, 0 to 1."""
        return self.size / self.users if self.users else 0.0


def small_counts(found: SegmentInsights, floor: int) -> dict[str, int]:
    """Counts of fewer people than `floor`, by what they count: few enough to guess who they are. 0 tells of nobody."""
    counts: dict[str, int | None] = {"size": found.size, "active": found.active}
    for channel, reach in found.reach.items():
        counts |= {f"{channel} {part}": getattr(reach, part) for part in ("identified", "valid", "consented")}
    counts |= {f"list {name}": reach.reached for name, reach in found.lists.items()}
    if found.value:
        counts["spenders"] = found.value.spenders
    for number, step in enumerate(found.waterfall, start=1):
        counts |= {f"condition {number} alone": step.alone, f"condition {number} with all above": step.remaining}
    for field, shares in found.breakdowns.items():
        counts |= {f"{field} {share.label}": share.members for share in shares}
    return {name: number for name, number in counts.items() if number and number < floor}


def ratio(part: float | None, whole: float | None) -> float | None:
    """None of nothing."""
    return part / whole if part is not None and whole else None
