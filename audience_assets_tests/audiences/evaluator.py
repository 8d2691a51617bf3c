"""The meaning of conditions in plain Python, row by row: what the SQL is held against."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from audience_assets.project.conditions import Window
from audience_assets.project.times import ago, anniversaries, last, next_, resolve_moment, window_bounds
from audience_assets_tests.audiences.shop import AS_OF, SEGMENTS, SETTINGS, TIMEZONE, Row, Rows

TO_MANY = {
    ("customers", "orders"): "customer_id",
    ("customers", "consents"): "customer_id",
    ("orders", "order_items"): "order_id",
}
TO_ONE = {("order_items", "product"): ("products", "sku"), ("orders", "customer"): ("customers", "customer_id")}
NEGATIVE = {
    "is_not_set": "is_set",
    "is_not_empty": "is_empty",
    "is_not": "is",
    "not_in": "in",
    "not_contains": "contains",
    "not_starts_with": "starts_with",
    "not_ends_with": "ends_with",
    "not_between": "between",
    "not_in_last": "in_last",
    "includes_none": "includes_any",
}
MODELS = SETTINGS["models"]


def md5_u32(salt: str, key: Any) -> int:
    return int(hashlib.md5(f"{salt}:{key}".encode(), usedforsecurity=False).hexdigest()[:8], 16)


@dataclass(repr=False)
class World:
    """The shop's rows and state, and what conditions say of them."""

    rows: Rows
    entered: dict[str, dict[int, datetime]] = field(default_factory=dict)
    left: list[tuple[str, int, datetime]] = field(default_factory=list)
    lists: dict[str, set[int]] = field(default_factory=dict)
    # Campaign -> its runs; and (key, control, came, last seen or None for who is there).
    runs: dict[str, list[datetime]] = field(default_factory=dict)
    sent: dict[str, list[tuple[int, bool, datetime, datetime | None]]] = field(default_factory=dict)
    segments: dict[str, Any] = field(default_factory=lambda: dict(SEGMENTS))

    def everyone(self) -> list[Row]:
        return [row for row in self.rows["customers"] if row["closed"] is not True]

    def members(self, name: str) -> set[int]:
        """Keys of a segment's members."""
        declared = self.segments[name]
        where, limit = declared.get("where"), declared.get("limit")
        found = [row for row in self.everyone() if where is None or self.holds(where, "customers", row)]
        if limit:
            found = sorted(found, key=self._order(limit["by"], limit.get("order", "desc") == "desc"))
            found = found[: int(limit["top"])]
        return {row["customer_id"] for row in found}

    def holds(self, node: dict[str, Any], model: str, row: Row) -> bool:
        if "all" in node:
            return all(self.holds(child, model, row) for child in node["all"])
        if "any" in node:
            return any(self.holds(child, model, row) for child in node["any"])
        if "not" in node:
            return not self.holds(node["not"], model, row)
        if "field" in node:
            return self._field(node, model, row)
        if "related" in node:
            return self._related(node, model, row)
        return self._of_customer(node, row)

    # Fields

    def value(self, path: str, model: str, row: Row | None) -> Any:
        *hops, name = path.split(".")
        for hop in hops:
            target, key = TO_ONE[model, hop]
            wanted = None if row is None else row.get(key)
            row = next((r for r in self.rows[target] if wanted is not None and r[key] == wanted), None)
            model = target
        if row is None:
            return None
        calculated = SETTINGS["calculated_fields"].get(model, {}).get(name)
        return row[name] if calculated is None else self._calculated(name, model, row)

    def _calculated(self, name: str, model: str, row: Row) -> Any:
        if name == "orders_12m":
            return self._measure("count", self._rows(model, row, "orders", {"within": "12mo"}, None), "orders")
        if name == "revenue":
            return self._measure("sum:amount", self._rows(model, row, "orders", None, None), "orders")
        if name == "dearest":
            return self._measure("max:amount", self._rows(model, row, "orders", None, None), "orders")
        revenue, orders = self.value("revenue", model, row), self.value("orders_12m", model, row)
        return None if orders == 0 else revenue / orders + (row["ltv"] or 0) * 2

    def _field(self, node: dict[str, Any], model: str, row: Row) -> bool:
        value, op = self.value(node["field"], model, row), node["op"]
        found = self._compare(value, NEGATIVE.get(op, op), node, model, row)
        if op in NEGATIVE:
            found = not found
        return found and not (node.get("nulls") == "exclude" and value is None)

    def _compare(self, value: Any, op: str, node: dict[str, Any], model: str, row: Row) -> bool:
        if op == "is_empty":
            return value is None or value.strip(" ") == ""
        if value is None or op in ("is_set", "is_true", "is_false"):
            return {"is_set": value is not None, "is_true": value is True, "is_false": value is False}.get(op, False)
        return self._compare_with(value, op, node, model, row)

    def _compare_with(self, value: Any, op: str, node: dict[str, Any], model: str, row: Row) -> bool:
        wanted = node.get("value")
        if isinstance(wanted, dict):
            other = self.value(wanted["field"], model, row)
            return other is not None and ORDERED[op](value, other)
        if isinstance(value, datetime | date):
            return temporal(value, op, wanted, node.get("bounds", "[]"))
        if isinstance(value, str):
            field_type = self._type(model, node["field"])
            if field_type.get("type") == "list":
                return listed(json.loads(value), op, wanted)
            folded = str(node.get("ignore_case", field_type.get("ignore_case", "false"))) == "true"
            return text(value, op, wanted, folded)
        return number(value, op, wanted, node.get("bounds", "[]"))

    @staticmethod
    def _type(model: str, path: str) -> dict[str, Any]:
        *hops, name = path.split(".")
        for hop in hops:
            model = TO_ONE[model, hop][0]
        found: dict[str, Any] = MODELS[model]["fields"].get(name, {"type": "text"})
        return found

    # Related rows

    def _rows(self, model: str, row: Row, related: str, window: Any, where: Any) -> list[Row]:
        key = TO_MANY[model, related]
        found = [r for r in self.rows[related] if r[key] is not None and r[key] == row[key]]
        declared = MODELS[related]
        if "base_filter" in declared:
            found = [r for r in found if self.holds(declared["base_filter"], related, r)]
        if "timestamp" in declared:
            start, end = window_bounds(Window.model_validate(window or {}), AS_OF, TIMEZONE)
            time = declared["timestamp"]
            found = [r for r in found if r[time] is not None and r[time] < end and (start is None or r[time] >= start)]
        return [r for r in found if where is None or self.holds(where, related, r)]

    def _related(self, node: dict[str, Any], model: str, row: Row) -> bool:
        related, where = node["related"], node.get("where")
        if node.get("quantifier") == "all":
            rows = self._rows(model, row, related, node.get("window"), None)
            return bool(rows) and all(where is None or self.holds(where, related, r) for r in rows)
        rows = self._rows(model, row, related, node.get("window"), where)
        value = self._measure(node.get("measure", "count"), rows, related)
        if "op" not in node:
            return bool(value == 0 if node.get("quantifier") == "none" else value >= 1)
        if value is None:
            return False
        if node["op"] == "is_not":
            return bool(value != float(node["value"]))
        return number(value, node["op"], node["value"], node.get("bounds", "[]"))

    def _measure(self, measure: str, rows: list[Row], model: str) -> Any:
        function, _, name = measure.partition(":")
        if function == "count":
            return len(rows)
        values = [v for v in (self.value(name, model, row) for row in rows) if v is not None]
        if function == "count_distinct":
            return len(set(values))
        if function == "sum":
            return sum(values)
        if not values:
            return None
        if function == "avg":
            return sum(values) / len(values)
        return min(values) if function == "min" else max(values)

    # Conditions on customers

    def _of_customer(self, node: dict[str, Any], row: Row) -> bool:
        key = row["customer_id"]
        if "segment" in node:
            return self._member(node, key) == (str(node.get("is_member", "true")) == "true")
        if "list" in node:
            return key in self.lists.get(node["list"], set())
        if "sample" in node:
            spec = node["sample"]
            return md5_u32(spec["salt"], key) % 10_000 < round(float(spec["percent"]) * 100)
        if "consent" in node:
            return self._consent(node["consent"], key)
        if "received" in node:
            return self._received(node["received"], key)
        return self._rank(node["rank"], row)

    def _member(self, node: dict[str, Any], key: int) -> bool:
        name = node["segment"]
        if "joined_within" in node:
            at = self.entered.get(name, {}).get(key)
            return at is not None and ago(node["joined_within"], AS_OF, TIMEZONE) <= at <= AS_OF
        if "left_within" in node:
            since = ago(node["left_within"], AS_OF, TIMEZONE)
            gone = any(s == name and k == key and since <= at <= AS_OF for s, k, at in self.left)
            return gone and key not in self.entered.get(name, {})
        return key in self.members(name)

    def _consent(self, spec: dict[str, Any], key: int) -> bool:
        events = [
            row
            for row in self.rows["consents"]
            if row["customer_id"] == key and row["channel"] == spec["channel"] and row["consent_at"]
        ]
        events = [row for row in events if row["consent_at"] < AS_OF]
        newest = max((row["consent_at"] for row in events), default=None)
        if newest is None or {row["status"] for row in events if row["consent_at"] == newest} != {spec["status"]}:
            return False
        if "at" not in spec:
            return True
        start, end = window_bounds(Window.model_validate(spec["at"]), AS_OF, TIMEZONE)
        return newest < end and (start is None or newest >= start)

    def _received(self, spec: dict[str, Any], key: int) -> bool:
        start = ago(spec["within"], AS_OF, TIMEZONE) if "within" in spec else datetime.min.replace(tzinfo=UTC)
        names = [spec["campaign"]] if "campaign" in spec else list(self.sent)
        found = 0
        for name in names:
            newest = max((run for run in self.runs[name] if run <= AS_OF), default=None)
            seen = [
                left or (newest if newest is not None and came <= newest else None)
                for user, control, came, left in self.sent[name]
                if user == key and not control
            ]
            found += any(at is not None and start <= at <= AS_OF for at in seen)
        return found >= int(spec.get("at_least", 1))

    def _rank(self, spec: dict[str, Any], row: Row) -> bool:
        by, descending = spec["by"], "top" in spec or "top_percent" in spec
        if self.value(by, "customers", row) is None:
            return False
        everyone = sorted(self.everyone(), key=self._order(by, descending))
        place = 1 + next(n for n, other in enumerate(everyone) if other["customer_id"] == row["customer_id"])
        count = spec.get("top") or spec.get("bottom")
        if count:
            return place <= int(count)
        percent = float(spec.get("top_percent") or spec["bottom_percent"])
        return place <= math.floor(percent * len(everyone) / 100 + 1e-9)

    def _order(self, by: str, descending: bool) -> Callable[[Row], Any]:
        def key(row: Row) -> Any:
            value = self.value(by, "customers", row)
            if isinstance(value, datetime):
                value = value.timestamp()
            if isinstance(value, date):
                value = value.toordinal()
            sign = -1 if descending else 1
            return value is None, sign * (value or 0), md5_u32("rank", row["customer_id"]), row["customer_id"]

        return key


ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "is": lambda a, b: a == b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "before": lambda a, b: a < b,
    "on_or_before": lambda a, b: a <= b,
    "after": lambda a, b: a > b,
    "on_or_after": lambda a, b: a >= b,
    "contains": lambda a, b: b in a,
    "starts_with": lambda a, b: a.startswith(b),
    "ends_with": lambda a, b: a.endswith(b),
}


def inside(value: Any, low: Any, high: Any, bounds: str) -> bool:
    above = value >= low if bounds[0] == "[" else value > low
    below = value <= high if bounds[1] == "]" else value < high
    return bool(above and below)


def number(value: Any, op: str, wanted: Any, bounds: str) -> bool:
    if op == "in":
        return value in [float(each) for each in wanted]
    if op == "between":
        return inside(value, float(wanted[0]), float(wanted[1]), bounds)
    return ORDERED[op](value, float(wanted))


def text(value: str, op: str, wanted: Any, folded: bool) -> bool:
    if folded:
        value = value.lower()
        wanted = [each.lower() for each in wanted] if op == "in" else wanted.lower()
    return value in wanted if op == "in" else ORDERED[op](value, wanted)


def listed(values: list[str], op: str, wanted: Any) -> bool:
    if op == "includes_any":
        return any(each in values for each in wanted)
    if op == "includes_all":
        return all(each in values for each in wanted)
    return len(values) >= int(wanted) if op == "length_gte" else len(values) <= int(wanted)


def temporal(value: date, op: str, wanted: Any, bounds: str) -> bool:
    if op in ("anniversary_in_next", "anniversary_in_last"):
        span = (next_ if op.endswith("next") else last)(wanted, AS_OF, TIMEZONE)
        return value.month * 100 + value.day in anniversaries(span)
    if op == "month_is":
        return value.month == int(wanted)
    if isinstance(value, datetime):
        return instant(value, op, wanted, bounds)
    return day(value, op, wanted, bounds)


def day(value: date, op: str, wanted: Any, bounds: str) -> bool:
    if op in ("in_last", "in_next"):
        span = (last if op == "in_last" else next_)(wanted, AS_OF, TIMEZONE)
        return span.first_day <= value <= span.last_day
    if op == "more_than_ago":
        return value < ago(wanted, AS_OF, TIMEZONE).astimezone(ZoneInfo(TIMEZONE)).date()
    if op == "between":
        low, high = (resolve_moment(each, AS_OF, TIMEZONE).day for each in wanted)
        return inside(value, low, high, bounds)
    return ORDERED[op](value, resolve_moment(wanted, AS_OF, TIMEZONE).day)


def instant(value: datetime, op: str, wanted: Any, bounds: str) -> bool:
    value = value.astimezone(UTC)
    if op in ("in_last", "in_next"):
        span = (last if op == "in_last" else next_)(wanted, AS_OF, TIMEZONE)
        return span.start <= value < span.end
    if op == "more_than_ago":
        return value < ago(wanted, AS_OF, TIMEZONE)
    if op == "between":
        low, high = wanted
        after_start = instant(value, "on_or_after" if bounds[0] == "[" else "after", low, bounds)
        return after_start and instant(value, "on_or_before" if bounds[1] == "]" else "before", high, bounds)
    moment = resolve_moment(wanted, AS_OF, TIMEZONE)
    last_instant = moment.end - timedelta(microseconds=1) if moment.whole_day else moment.start
    return {
        "is": moment.start <= value <= last_instant,
        "before": value < moment.start,
        "on_or_before": value <= last_instant,
        "after": value > last_instant,
        "on_or_after": value >= moment.start,
    }[op]
