"""Durations, moments and windows: what `30d`, `today-1mo` and `{within: 90d}` mean at one `as_of`.

Everything is resolved here, in Python, from the run's one `as_of`, so that a statement never asks the warehouse for
the time and the same `as_of` gives the same members again. Units of a day or more follow the calendar of the
project's time zone and start at its midnight; hours and minutes are exact. Months clip: 31 March less a month is the
last of February.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from audience_assets.project.conditions import Window

UNITS = {
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "w": "weeks",
    "mo": "months",
    "q": "quarters",
    "y": "years",
}
_DAYS = {"d": 1, "w": 7}
_MONTHS = {"mo": 1, "q": 3, "y": 12}
_EXACT = {"min": timedelta(minutes=1), "h": timedelta(hours=1)}
_EXACT_FIXED = {**_EXACT, "d": timedelta(days=1), "w": timedelta(weeks=1)}
# Two centuries: more is a slip of the pen, and would leave the calendar.
_MOST = {"min": 105_192_000, "h": 1_753_200, "d": 73_050, "w": 10_436, "mo": 2_400, "q": 800, "y": 200}

_DURATION = re.compile(r"([0-9]{1,9})([a-z]+)")
_OFFSET = re.compile(r"([+-])([0-9]{1,9}[a-z]+)")
_MOMENT = re.compile(r"([a-z_]+)((?:[+-][0-9]+[a-z]+)*)")
_PERIODS = ("week", "month", "quarter", "year")
ANCHORS = (
    "now",
    "today",
    "yesterday",
    "tomorrow",
    *(f"start_of_{period}" for period in _PERIODS),
    *(f"end_of_{period}" for period in _PERIODS),
)


@dataclass(frozen=True, slots=True)
class Duration:
    """An amount of one unit: min, h, d, w, mo, q or y."""

    amount: int
    unit: str

    @property
    def whole_days(self) -> bool:
        """Whether it counts days of the calendar rather than exact hours."""
        return self.unit not in _EXACT

    def exact(self) -> timedelta:
        """A fixed length, with days of 24 hours. Raises ValueError for months and longer, whose length varies."""
        if self.unit not in _EXACT_FIXED:
            raise ValueError(f"{self} has no fixed length here: use min, h, d or w")
        return self.amount * _EXACT_FIXED[self.unit]

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time or a whole day, in UTC.

    A whole day is `[start, end)`; a point has `end == start`. `day` is the local day that `start` lies in. A period
    (`start_of_month`, `end_of_month`) stands for the day it starts or ends on.
    """

    start: datetime
    end: datetime
    day: date

    @property
    def whole_day(self) -> bool:
        return self.end > self.start


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time: `[start, end)` in UTC for timestamps, `first_day` to `last_day` with both ends for dates."""

    start: datetime
    end: datetime
    first_day: date
    last_day: date


def zone(timezone: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ValueError for an unknown one."""
    try:
        return _zone(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{timezone!r} is not a time zone such as Europe/Paris") from None


@lru_cache(maxsize=32)
def _zone(timezone: str) -> ZoneInfo:
    return ZoneInfo(timezone)


def parse_duration(text: str) -> Duration:
    """A duration such as `30d`. Raises ValueError saying how to write it; a bare `m` is refused as ambiguous."""
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is not a duration: write a whole number and a unit, e.g. 30d ({_unit_list()})")
    amount, unit = int(found[1]), found[2]
    if unit == "m":
        raise ValueError(f"{text!r} is ambiguous: write {amount}min for minutes or {amount}mo for months")
    if unit not in UNITS:
        raise ValueError(f"{text!r} has an unknown unit {unit!r}: use one of {_unit_list()}")
    if amount > _MOST[unit]:
        raise ValueError(f"{text!r} is more than two centuries")
    return Duration(amount, unit)


def _unit_list() -> str:
    return ", ".join(f"{unit} {word}" for unit, word in UNITS.items())


def check_moment(expression: str) -> None:
    """Raise ValueError if `expression` is not a moment; what it means depends on `as_of`."""
    resolve_moment(expression, as_of=datetime(2024, 2, 29, 12, tzinfo=UTC), timezone="UTC")


def is_relative(expression: str) -> bool:
    """Whether the expression starts at an anchor, so that it moves with `as_of`."""
    return bool(re.match(r"\s*[a-z]", expression))


def resolve_moment(expression: str, as_of: datetime, timezone: str) -> Moment:
    """What a date, a timestamp or an anchor with offsets means at `as_of`.

    Anchors are such as `today-30d`, `start_of_month-1mo`, `now-3h`. A date, and every anchor but `now`, is a whole day
    of `timezone`; so is `now` with an offset of days or more. A timestamp without a zone is local time. Raises
    ValueError.
    """
    text = expression.strip()
    if text[:1].isdigit():
        return _literal(text, zone(timezone))
    found = _MOMENT.fullmatch(text)
    if found is None or found[1] not in ANCHORS:
        raise ValueError(
            f"{expression!r} is neither a date (2026-01-31) nor an anchor with an offset (today-30d); "
            f"anchors are {', '.join(ANCHORS)}"
        )
    offsets = [(sign, parse_duration(length)) for sign, length in _OFFSET.findall(found[2])]
    return _anchored(found[1], offsets, _aware(as_of), zone(timezone))


def resolve_instant(expression: str, as_of: datetime, timezone: str) -> datetime:
    """The first instant of `resolve_moment`, in UTC."""
    return resolve_moment(expression, as_of, timezone).start


def window_bounds(window: Window | None, as_of: datetime, timezone: str) -> tuple[datetime | None, datetime]:
    """When an event counts: `[from, to)` in UTC; `from` is None without a beginning.

    `to` is `as_of` unless said otherwise, so an event in the future never counts by accident. `until` a day includes
    that day; `until: start_of_month` and its like end where the period starts.
    """
    as_of = _aware(as_of)
    if window is None or window.all_time:
        return None, as_of
    if window.within is not None:
        return ago(window.within, as_of, timezone), as_of
    if window.between is not None:
        ends = sorted(ago(age, as_of, timezone) for age in window.between)
        return ends[0], ends[1]
    since = resolve_instant(window.since, as_of, timezone) if window.since is not None else None
    return since, _until(window.until, as_of, timezone)


def _until(expression: str | None, as_of: datetime, timezone: str) -> datetime:
    if expression is None:
        return as_of
    moment = resolve_moment(expression, as_of, timezone)
    return moment.start if expression.strip().startswith("start_of_") else moment.end


def ago(duration: str, as_of: datetime, timezone: str) -> datetime:
    """The instant that long before `as_of`, in UTC: a local midnight for days and longer.

    `more_than_ago` is everything before it: with `in_last` it makes up the whole past.
    """
    return _shifted(_aware(as_of), parse_duration(duration), -1, zone(timezone))


def last(duration: str, as_of: datetime, timezone: str) -> Span:
    """`in_last`: from that long ago up to `as_of`. For dates, today is the last day."""
    as_of, tz = _aware(as_of), zone(timezone)
    start = ago(duration, as_of, timezone)
    return Span(start, as_of, start.astimezone(tz).date(), as_of.astimezone(tz).date())


def next_(duration: str, as_of: datetime, timezone: str) -> Span:
    """`in_next`: from `as_of` to the end of the day that far ahead, or to the exact hour.

    For dates, today is the first day.
    """
    as_of, tz = _aware(as_of), zone(timezone)
    length = parse_duration(duration)
    today = as_of.astimezone(tz).date()
    if not length.whole_days:
        end = as_of + length.exact()
        return Span(as_of, end, today, end.astimezone(tz).date())
    last_day = _shift_day(today, length, 1)
    return Span(as_of, _midnight(_next_day(last_day), tz), today, last_day)


def anniversaries(span: Span) -> list[int]:
    """The days of a span's years as `month * 100 + day`; 29 February counts on 1 March in common years."""
    days = min((span.last_day - span.first_day).days, 366)
    found = set()
    for offset in range(days + 1):
        day = span.first_day + timedelta(days=offset)
        found.add(day.month * 100 + day.day)
        if (day.month, day.day) == (3, 1) and not calendar.isleap(day.year):
            found.add(229)
    return sorted(found)


def _aware(as_of: datetime) -> datetime:
    if as_of.tzinfo is None:
        raise ValueError("as_of needs a zone")
    return as_of.astimezone(UTC)


def _literal(text: str, tz: ZoneInfo) -> Moment:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return _day(date.fromisoformat(text), tz)
        local = datetime.fromisoformat(text)
        instant = (local if local.tzinfo else local.replace(tzinfo=tz)).astimezone(UTC)
        return Moment(instant, instant, instant.astimezone(tz).date())
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a moment: write a date (2026-01-31), a time (2026-01-31T18:00) or an anchor (today-30d)"
        ) from None


def _anchored(anchor: str, offsets: list[tuple[str, Duration]], as_of: datetime, tz: ZoneInfo) -> Moment:
    """Whole-day offsets move the calendar day first; then hours and minutes move the instant."""
    day, back = _anchor_day(anchor, as_of.astimezone(tz).date())
    calendar_offsets = [(sign, length) for sign, length in offsets if length.whole_days]
    exact = sum(
        (length.exact() * (1 if sign == "+" else -1) for sign, length in offsets if not length.whole_days),
        timedelta(),
    )
    for sign, length in calendar_offsets:
        day = _shift_day(day, length, 1 if sign == "+" else -1)
    moment = _day(day - back, tz)
    has_exact = len(calendar_offsets) < len(offsets)
    if anchor == "now" and not calendar_offsets:
        instant = as_of + exact
    elif has_exact:
        instant = moment.start + exact
    else:
        return moment
    return Moment(instant, instant, instant.astimezone(tz).date())


def _anchor_day(anchor: str, today: date) -> tuple[date, timedelta]:
    """The day an anchor's offsets start from, and what is taken off afterwards.

    The end of a period is the day before the next one starts. Offsets move that boundary, so that `end_of_month-1mo`
    is the last day of the month before, however long it is.
    """
    none, one = timedelta(), timedelta(days=1)
    if anchor in ("now", "today"):
        return today, none
    if anchor in ("yesterday", "tomorrow"):
        return today + (one if anchor == "tomorrow" else -one), none
    edge, period = anchor.split("_of_")
    start = _period_start(period, today)
    if edge == "start":
        return start, none
    length = Duration(1, {"week": "w", "month": "mo", "quarter": "q", "year": "y"}[period])
    return _shift_day(start, length, 1), one


def _period_start(period: str, today: date) -> date:
    if period == "week":
        return today - timedelta(days=today.weekday())
    month = {"month": today.month, "quarter": (today.month - 1) // 3 * 3 + 1, "year": 1}[period]
    return date(today.year, month, 1)


def _shifted(as_of: datetime, length: Duration, sign: int, tz: ZoneInfo) -> datetime:
    if not length.whole_days:
        return as_of + sign * length.exact()
    return _midnight(_shift_day(as_of.astimezone(tz).date(), length, sign), tz)


def _shift_day(day: date, length: Duration, sign: int) -> date:
    amount = sign * length.amount
    try:
        if length.unit in _DAYS:
            return day + timedelta(days=amount * _DAYS[length.unit])
        months = day.year * 12 + day.month - 1 + amount * _MONTHS[length.unit]
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        raise ValueError(f"{length} leads outside the calendar") from None


def _day(day: date, tz: ZoneInfo) -> Moment:
    return Moment(_midnight(day, tz), _midnight(_next_day(day), tz), day)


def _next_day(day: date) -> date:
    return day + timedelta(days=1)


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    """The first instant of a local day, also where the clocks change at midnight."""
    return datetime.combine(day, time(), tzinfo=tz).astimezone(UTC)
