"""Durations, moments and windows: the calendar of the project's zone, clipped months, clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.project.conditions import Window
from audience_assets.project.times import (
    ANCHORS,
    Duration,
    Span,
    ago,
    anniversaries,
    last,
    next_,
    parse_duration,
    resolve_instant,
    resolve_moment,
    window_bounds,
    zone,
)

PARIS = "Europe/Paris"
# Noon in Paris on the last day of a month that is longer than the one before.
MARCH_31 = datetime(2026, 3, 31, 10, tzinfo=UTC)

ZONES = st.sampled_from(
    ["UTC", PARIS, "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Asia/Beirut", "Africa/Cairo"]
)
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
DURATIONS = st.builds(Duration, st.integers(0, 60), st.sampled_from(["min", "h", "d", "w", "mo", "q", "y"])).map(str)
CALENDAR_DURATIONS = st.builds(Duration, st.integers(0, 60), st.sampled_from(["d", "w", "mo", "q", "y"])).map(str)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_a_duration_is_a_number_and_a_unit() -> None:
    assert parse_duration("30d") == Duration(30, "d")
    assert parse_duration(" 12mo ") == Duration(12, "mo")
    assert str(Duration(90, "min")) == "90min"
    assert parse_duration("26h").exact() == timedelta(hours=26)
    assert parse_duration("2w").exact() == timedelta(days=14)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12m", "'12m' is ambiguous: write 12min for minutes or 12mo for months"),
        ("12M", "is not a duration"),
        ("30", "is not a duration"),
        ("d", "is not a duration"),
        ("-30d", "is not a duration"),
        ("1.5d", "is not a duration"),
        ("30 days", "is not a duration"),
        ("30days", "has an unknown unit 'days'"),
        ("", "is not a duration"),
        ("201y", "is more than two centuries"),
        ("999999999min", "is more than two centuries"),
    ],
)
def test_what_is_no_duration(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_duration(text)
    assert said in str(caught.value)


def test_months_have_no_fixed_length() -> None:
    with pytest.raises(ValueError, match="1mo has no fixed length here"):
        parse_duration("1mo").exact()


@pytest.mark.parametrize(
    ("expression", "start", "end"),
    [
        ("2026-01-31", utc(2026, 1, 30, 23), utc(2026, 1, 31, 23)),
        ("2026-07-01", utc(2026, 6, 30, 22), utc(2026, 7, 1, 22)),
        ("2026-01-31T18:00", utc(2026, 1, 31, 17), None),
        ("2026-01-31T18:00:00+00:00", utc(2026, 1, 31, 18), None),
        ("2026-01-31 18:00Z", utc(2026, 1, 31, 18), None),
        ("now", MARCH_31, None),
        ("now-3h", utc(2026, 3, 31, 7), None),
        ("now-90min", utc(2026, 3, 31, 8, 30), None),
        ("now-1d", utc(2026, 3, 29, 22), utc(2026, 3, 30, 22)),
        ("today", utc(2026, 3, 30, 22), utc(2026, 3, 31, 22)),
        ("yesterday", utc(2026, 3, 29, 22), utc(2026, 3, 30, 22)),
        ("tomorrow", utc(2026, 3, 31, 22), utc(2026, 4, 1, 22)),
        ("today-1mo", utc(2026, 2, 27, 23), utc(2026, 2, 28, 23)),
        ("today+2w", utc(2026, 4, 13, 22), utc(2026, 4, 14, 22)),
        ("today-3h", utc(2026, 3, 30, 19), None),
        ("today-1y+1d", utc(2025, 3, 31, 22), utc(2025, 4, 1, 22)),
        ("start_of_week", utc(2026, 3, 29, 22), utc(2026, 3, 30, 22)),
        ("end_of_week", utc(2026, 4, 4, 22), utc(2026, 4, 5, 22)),
        ("start_of_month", utc(2026, 2, 28, 23), utc(2026, 3, 1, 23)),
        ("start_of_month-1mo", utc(2026, 1, 31, 23), utc(2026, 2, 1, 23)),
        ("end_of_month", utc(2026, 3, 30, 22), utc(2026, 3, 31, 22)),
        ("end_of_month-1mo", utc(2026, 2, 27, 23), utc(2026, 2, 28, 23)),
        ("end_of_month+1mo", utc(2026, 4, 29, 22), utc(2026, 4, 30, 22)),
        ("end_of_month-3d", utc(2026, 3, 27, 23), utc(2026, 3, 28, 23)),
        ("start_of_quarter", utc(2025, 12, 31, 23), utc(2026, 1, 1, 23)),
        ("end_of_quarter-1q", utc(2025, 12, 30, 23), utc(2025, 12, 31, 23)),
        ("start_of_year+1q", utc(2026, 3, 31, 22), utc(2026, 4, 1, 22)),
        ("end_of_year", utc(2026, 12, 30, 23), utc(2026, 12, 31, 23)),
    ],
)
def test_moments_in_paris(expression: str, start: datetime, end: datetime | None) -> None:
    moment = resolve_moment(expression, MARCH_31, PARIS)
    assert (moment.start, moment.end) == (start, end or start)
    assert moment.whole_day == (end is not None)
    assert moment.day == start.astimezone(ZoneInfo(PARIS)).date()


@pytest.mark.parametrize(
    "expression",
    ["", "30d", "todey", "today-", "today-3m", "today 3d", "today*2", "2026-02-30", "2026-13-01", "20260101x", "now()"],
)
def test_what_is_no_moment(expression: str) -> None:
    with pytest.raises(ValueError):
        resolve_moment(expression, MARCH_31, PARIS)


def test_offsets_out_of_the_calendar_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        resolve_moment("today-200y", utc(150, 1, 1), "UTC")


@pytest.mark.parametrize(
    ("timezone", "day", "start", "hours"),
    [
        (PARIS, "2026-03-29", utc(2026, 3, 28, 23), 23),
        (PARIS, "2026-10-25", utc(2026, 10, 24, 22), 25),
        # The clocks go from 00:00 to 01:00: the day begins at one.
        ("Africa/Cairo", "2025-04-25", utc(2025, 4, 24, 22), 23),
        # They go back from 01:00 to 00:00: the day begins at the first of two midnights.
        ("America/Havana", "2025-11-02", utc(2025, 11, 2, 4), 25),
        # This day was left out.
        ("Pacific/Apia", "2011-12-30", utc(2011, 12, 30, 10), 0),
    ],
)
def test_days_on_which_the_clocks_change(timezone: str, day: str, start: datetime, hours: int) -> None:
    moment = resolve_moment(day, MARCH_31, timezone)
    assert moment.start == start
    assert moment.end - moment.start == timedelta(hours=hours)


def test_exact_hours_ignore_the_clock_change_and_days_do_not() -> None:
    after_the_change = utc(2026, 3, 29, 10)
    assert ago("24h", after_the_change, PARIS) == utc(2026, 3, 28, 10)
    assert ago("1d", after_the_change, PARIS) == utc(2026, 3, 27, 23)
    assert ago("0d", after_the_change, PARIS) == utc(2026, 3, 28, 23)


@pytest.mark.parametrize(
    ("window", "bounds"),
    [
        (None, (None, MARCH_31)),
        (Window(all_time=True), (None, MARCH_31)),
        (Window(within="30d"), (utc(2026, 2, 28, 23), MARCH_31)),
        (Window(within="1mo"), (utc(2026, 2, 27, 23), MARCH_31)),
        (Window(within="3h"), (utc(2026, 3, 31, 7), MARCH_31)),
        (Window(between=("180d", "30d")), (utc(2025, 10, 1, 22), utc(2026, 2, 28, 23))),
        (Window(between=("30d", "180d")), (utc(2025, 10, 1, 22), utc(2026, 2, 28, 23))),
        (Window(since="2026-01-01"), (utc(2025, 12, 31, 23), MARCH_31)),
        (Window(until="2026-01-31"), (None, utc(2026, 1, 31, 23))),
        (Window(until="yesterday"), (None, utc(2026, 3, 30, 22))),
        (Window(since="start_of_month-1mo", until="start_of_month"), (utc(2026, 1, 31, 23), utc(2026, 2, 28, 23))),
        (Window(since="start_of_month-1mo", until="end_of_month-1mo"), (utc(2026, 1, 31, 23), utc(2026, 2, 28, 23))),
    ],
)
def test_windows(window: Window | None, bounds: tuple[datetime | None, datetime]) -> None:
    assert window_bounds(window, MARCH_31, PARIS) == bounds


def test_last_and_next_count_today() -> None:
    assert last("7d", MARCH_31, PARIS) == Span(utc(2026, 3, 23, 23), MARCH_31, date(2026, 3, 24), date(2026, 3, 31))
    assert next_("7d", MARCH_31, PARIS) == Span(MARCH_31, utc(2026, 4, 7, 22), date(2026, 3, 31), date(2026, 4, 7))
    assert next_("3h", MARCH_31, PARIS).end == utc(2026, 3, 31, 13)


def test_the_29th_of_february_counts_on_the_first_of_march_in_common_years() -> None:
    around = utc(2026, 2, 27, 12)
    assert anniversaries(next_("2d", around, "UTC")) == [227, 228, 229, 301]
    assert anniversaries(next_("1d", around, "UTC")) == [227, 228]
    leap = utc(2028, 2, 27, 12)
    assert anniversaries(next_("2d", leap, "UTC")) == [227, 228, 229]
    assert anniversaries(next_("3d", leap, "UTC")) == [227, 228, 229, 301]
    assert len(anniversaries(last("2y", around, "UTC"))) == 366


def test_as_of_needs_a_zone_and_zones_have_names() -> None:
    with pytest.raises(ValueError, match="as_of needs a zone"):
        resolve_instant("now", datetime(2026, 1, 1), "UTC")
    for wrong in ("Mars/Olympus", "", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(ValueError, match="is not a time zone"):
            zone(wrong)


@given(DURATIONS, INSTANTS, ZONES)
def test_in_last_and_more_than_ago_make_up_the_past(duration: str, as_of: datetime, timezone: str) -> None:
    span = last(duration, as_of, timezone)
    assert span.start == ago(duration, as_of, timezone) <= as_of == span.end
    assert span.first_day <= span.last_day == as_of.astimezone(ZoneInfo(timezone)).date()


@given(CALENDAR_DURATIONS, INSTANTS, ZONES)
def test_days_begin_at_the_first_instant_of_the_local_day(duration: str, as_of: datetime, timezone: str) -> None:
    start = ago(duration, as_of, timezone)
    local = ZoneInfo(timezone)
    day = start.astimezone(local).date()
    assert (start - timedelta(microseconds=1)).astimezone(local).date() < day


@given(st.integers(0, 600), INSTANTS, ZONES)
def test_months_clip_as_pandas_clips_them(months: int, as_of: datetime, timezone: str) -> None:
    today = as_of.astimezone(ZoneInfo(timezone)).date()
    expected = (pd.Timestamp(today) - pd.DateOffset(months=months)).date()
    assert resolve_moment(f"today-{months}mo", as_of, timezone).day == expected


@given(st.sampled_from(ANCHORS), INSTANTS, ZONES)
def test_periods_hold_today(anchor: str, as_of: datetime, timezone: str) -> None:
    today = as_of.astimezone(ZoneInfo(timezone)).date()
    day = resolve_moment(anchor, as_of, timezone).day
    if anchor.startswith("start_of"):
        assert day <= today
        assert resolve_moment(anchor, as_of - timedelta(days=400), timezone).day < day
    if anchor.startswith("end_of"):
        assert day >= today
        period = anchor.removeprefix("end_of_")
        unit = {"week": "w", "month": "mo", "quarter": "q", "year": "y"}[period]
        following = resolve_moment(f"start_of_{period}+1{unit}", as_of, timezone).day
        assert day + timedelta(days=1) == following


@given(st.sampled_from(["within", "since"]), DURATIONS, INSTANTS, ZONES)
def test_windows_never_reach_beyond_as_of(key: str, duration: str, as_of: datetime, timezone: str) -> None:
    text = duration if key == "within" else f"today-{duration}"
    start, end = window_bounds(Window.model_validate({key: text}), as_of, timezone)
    assert start is not None
    assert start <= end == as_of
