"""The limiter: never more than n calls in any window, whoever calls, and as fast as that allows."""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_assets.destinations.base import CallEstimate, Endpoint, RateWindow, Throttled
from audience_assets.destinations.limits import (
    CAREFUL_SECONDS,
    LONGEST_MARGIN_SECONDS,
    MARGIN,
    WIDE_MARGIN,
    MemorySlotLog,
    SlidingLimiter,
    SlotLog,
    floor_seconds,
    spaced,
)
from audience_assets.warehouse.engine import open_warehouse
from audience_assets.warehouse.slots import PostgresSlotLog, SqliteSlotLog, open_slot_log
from audience_assets_tests.destinations.reserving import reserve_many
from audience_assets_tests.processes import PROCESSES

LARGE = Endpoint("large", (RateWindow(75, 1), RateWindow(750, 60)))
MEDIUM = Endpoint("medium", (RateWindow(10, 1), RateWindow(150, 60)))
STEADY = Endpoint("steady", (RateWindow(4, 1),))
FOR_EVER = 1e9


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class FixedWindows:
    """A vendor that counts in fixed windows which start at `phase`."""

    def __init__(self, endpoint: Endpoint, phase: float) -> None:
        self._windows = endpoint.windows
        self._phase = phase
        self._counts: dict[tuple[int, int], int] = {}

    def call(self, at: float) -> bool:
        """Whether the call is let through."""
        for number, window in enumerate(self._windows):
            key = (number, int((at - self._phase) // window.seconds))
            self._counts[key] = self._counts.get(key, 0) + 1
            if self._counts[key] > window.calls:
                return False
        return True


def most_in_any(slots: Sequence[float], seconds: float) -> int:
    """The greatest number of slots in any half-open window of that length."""
    ordered = sorted(slots)
    most = first = 0
    for last, at in enumerate(ordered):
        # A tenth of a microsecond is the precision of sums of such times.
        while at - ordered[first] >= seconds - 1e-7:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize(("endpoint", "calls"), [(LARGE, 1000), (MEDIUM, 400), (MEDIUM, 60), (STEADY, 400)])
def test_no_phase_of_the_vendors_windows_refuses_a_call_and_no_time_is_wasted(endpoint: Endpoint, calls: int) -> None:
    floor = floor_seconds([CallEstimate(endpoint, calls)])
    for phase in range(40):
        time = Time()
        limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep)
        vendor = FixedWindows(endpoint, 1_000.0 - phase * 60 / 40)
        for _ in range(calls):
            limiter.acquire(endpoint)
            assert vendor.call(time.now)
        took = time.now - 1_000.0
        # The margin of a minute is 1 % of it. Spreading calls over half a second costs that once.
        minutes = int(floor // 60)
        if endpoint is STEADY:
            assert floor <= took <= floor * (1 + MARGIN) + 0.5
        else:
            assert floor <= took <= minutes * (60 + LONGEST_MARGIN_SECONDS) + (floor % 60) * (1 + WIDE_MARGIN) + 1e-6


def test_the_floor_is_what_the_vendor_allows() -> None:
    assert floor_seconds([]) == 0
    assert floor_seconds([CallEstimate(LARGE, 75)]) == 0
    assert floor_seconds([CallEstimate(LARGE, 76)]) == 1
    assert floor_seconds([CallEstimate(LARGE, 1000)]) == 63
    assert floor_seconds([CallEstimate(MEDIUM, 1000)]) == 369
    assert floor_seconds([CallEstimate(LARGE, 1000), CallEstimate(MEDIUM, 100)]) == 63, "endpoints work in parallel"
    assert floor_seconds([CallEstimate(LARGE, 10_000)]) == 783


def test_calls_of_one_bucket_are_counted_together() -> None:
    windows = (RateWindow(10, 60),)
    reading, writing = Endpoint("reading", windows, "account"), Endpoint("writing", windows, "account")
    assert floor_seconds([CallEstimate(reading, 10), CallEstimate(writing, 10)]) == 60
    time = Time()
    limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep, patience=FOR_EVER)
    for _ in range(10):
        limiter.acquire(reading)
    before = time.now
    limiter.acquire(writing)
    assert time.now - before >= 60


def test_a_call_without_windows_is_not_limited(tmp_path: Path) -> None:
    time, free = Time(), Endpoint("free", ())
    for log in (MemorySlotLog(time), SqliteSlotLog(tmp_path / "calls.db", time)):
        limiter = SlidingLimiter(log, "account", sleep=time.sleep, patience=FOR_EVER)
        for _ in range(100):
            limiter.acquire(free)
    assert time.now == Time().now
    assert floor_seconds([CallEstimate(free, 100)]) == 0


windows = st.lists(
    st.builds(RateWindow, st.integers(1, 8), st.floats(0.5, 60, allow_nan=False)), min_size=1, max_size=3
).map(tuple)


@given(windows, st.lists(st.floats(0, 20, allow_nan=False), max_size=60))
def test_any_window_holds_at_most_its_calls(windows: tuple[RateWindow, ...], pauses: list[float]) -> None:
    time = Time()
    limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep, patience=FOR_EVER)
    endpoint, slots = Endpoint("any", windows), []
    for pause in pauses:
        time.sleep(pause)
        limiter.acquire(endpoint)
        slots.append(time.now)
    for window in windows:
        assert most_in_any(slots, window.seconds) <= window.calls


@given(windows, st.lists(st.floats(0, 20, allow_nan=False), max_size=40))
def test_the_log_in_sql_gives_the_same_slots_as_the_one_in_memory(
    tmp_path_factory: pytest.TempPathFactory, windows: tuple[RateWindow, ...], pauses: list[float]
) -> None:
    time = Time()
    file = tmp_path_factory.mktemp("slots") / "calls.db"
    logs: list[SlotLog] = [MemorySlotLog(time), SqliteSlotLog(file, time)]
    for pause in pauses:
        time.sleep(pause)
        if pause > 15:
            for log in logs:
                log.hold("key", pause)
        slots = [log.reserve("key", windows, FOR_EVER) for log in logs]
        assert slots[0].at == pytest.approx(slots[1].at, abs=1e-9)
        if slots[0].wait and pause > 10:
            time.now = slots[0].at + pause
            slots = [
                log.reserve("key", windows, FOR_EVER, leaving=slot.at) for log, slot in zip(logs, slots, strict=True)
            ]
            assert slots[0].at == pytest.approx(slots[1].at, abs=1e-9)


def departures(log: SlotLog, time: Time, windows: tuple[RateWindow, ...], lateness: Sequence[float]) -> list[float]:
    """When calls left that were all wanted at once, each woken late at every sleep by its number of seconds."""
    waking: list[tuple[float, int, float | None]] = [(time.now, number, None) for number in range(len(lateness))]
    left: list[float] = []
    while waking:
        woken, number, place = heapq.heappop(waking)
        time.now = max(time.now, woken)
        slot = log.reserve("key", windows, FOR_EVER, leaving=place)
        if slot.wait:
            heapq.heappush(waking, (slot.at + lateness[number], number, slot.at))
        else:
            left.append(time.now)
    return left


@given(windows, st.lists(st.floats(0, 90, allow_nan=False), max_size=40))
def test_no_window_holds_more_when_calls_leave_late(windows: tuple[RateWindow, ...], lateness: list[float]) -> None:
    time = Time()
    left = departures(MemorySlotLog(time), time, windows, lateness)
    assert len(left) == len(lateness)
    for window in windows:
        assert most_in_any(left, window.seconds) <= window.calls


@given(windows, st.lists(st.floats(0, 1, exclude_max=True), max_size=40), st.booleans())
def test_no_window_holds_more_when_calls_are_on_their_way_for_unequal_times(
    windows: tuple[RateWindow, ...], delays: list[float], refused: bool
) -> None:
    """Each arrives after a part of what the margin allows for, which is more once the vendor has refused a call."""
    margin = WIDE_MARGIN if refused else MARGIN
    allowed = min(spaced(window, margin) - window.seconds for window in windows)
    time = Time()
    limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep, patience=FOR_EVER)
    endpoint, arrived = Endpoint("any", windows), []
    for delay in delays:
        if refused:
            limiter.hold(endpoint, 0)
        limiter.acquire(endpoint)
        arrived.append(time.now + delay * allowed)
    for window in windows:
        assert most_in_any(arrived, window.seconds) <= window.calls


def test_calls_of_a_short_window_do_not_leave_together() -> None:
    time = Time()
    left = departures(MemorySlotLog(time), time, STEADY.windows, [0.0] * 9)
    bunch = [0, 0.125, 0.25, 0.375]
    later = [1 + MARGIN + each for each in bunch]
    assert [at - 1_000 for at in left] == pytest.approx([*bunch, *later, 2 * (1 + MARGIN)])
    # Where a minute decides, a second's calls may: nothing is won by making a short sync wait.
    left = departures(MemorySlotLog(time), time, LARGE.windows, [0.0] * 75)
    assert left[0] == left[-1]


def test_after_a_refusal_calls_are_further_apart_for_some_time() -> None:
    time = Time()
    limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep, patience=FOR_EVER)
    window = RateWindow(1, 5.0)
    endpoint = Endpoint("any", (window,))

    def gap() -> float:
        limiter.acquire(endpoint)
        before = time.now
        limiter.acquire(endpoint)
        return time.now - before

    assert gap() == pytest.approx(window.seconds * (1 + MARGIN))
    limiter.hold(endpoint, 1)
    assert gap() == pytest.approx(window.seconds * (1 + WIDE_MARGIN))
    time.sleep(CAREFUL_SECONDS)
    assert gap() == pytest.approx(window.seconds * (1 + MARGIN))


def test_a_late_call_delays_no_more_than_it_must(tmp_path: Path) -> None:
    window = RateWindow(2, 10.0)
    wide = spaced(window)
    time = Time()
    # The third call sleeps half a window too long, so the last, in the queue by then, waits for it; nobody else does.
    left = departures(SqliteSlotLog(tmp_path / "calls.db", time), time, (window,), [0, 0, 5, 0, 0, 0])
    assert [at - 1_000 for at in left] == pytest.approx([0, 0, wide, wide + 5, 2 * wide, 2 * wide + 5], abs=1e-5)


def test_retry_after_holds_back_those_who_sleep_already() -> None:
    time = Time()
    log = MemorySlotLog(time)
    window = RateWindow(1, 1.0)
    log.reserve("key", (window,), FOR_EVER)
    sleeping = log.reserve("key", (window,), FOR_EVER)
    log.hold("key", 30)
    time.sleep(sleeping.wait)
    assert log.reserve("key", (window,), FOR_EVER, leaving=sleeping.at).at == 1_030
    assert log.reserve("key", (window,), 5, leaving=1_030).wait > 5
    assert log.reserve("key", (window,), FOR_EVER).at == 1_030, "who gives up keeps no place"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def shared_log(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], SlotLog]:
    """Opens the log as a process would; in memory there is only one."""
    if request.param == "memory":
        log = MemorySlotLog()
        return lambda: log
    if request.param == "sqlite":
        return lambda: SqliteSlotLog(tmp_path / "calls.db")
    url = request.getfixturevalue("postgres_database")
    engine = open_warehouse(url)
    request.addfinalizer(engine.dispose)
    return lambda: PostgresSlotLog(engine, "audience_assets")


def test_retry_after_holds_everybody_back(shared_log: Callable[[], SlotLog]) -> None:
    first, second = shared_log(), shared_log()
    assert first.reserve("account/large", LARGE.windows, FOR_EVER).wait == 0
    first.hold("account/large", 30)
    first.hold("account/large", 5)
    assert 29 < second.reserve("account/large", LARGE.windows, FOR_EVER).wait <= 30
    assert second.reserve("account/medium", MEDIUM.windows, FOR_EVER).wait == 0, "other endpoints go on"
    assert second.reserve("other account/large", LARGE.windows, FOR_EVER).wait == 0


def test_threads_share_one_quota(shared_log: Callable[[], SlotLog]) -> None:
    window = RateWindow(10, 3600)
    logs = [shared_log() for _ in range(4)]

    def reserve(log: SlotLog) -> list[float]:
        return [log.reserve("key", (window,), FOR_EVER).wait for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        waits = [wait for part in pool.map(reserve, logs) for wait in part]
    hours = [round(wait / 3600) for wait in waits]
    assert all(hours.count(hour) == 10 for hour in range(8))


@pytest.mark.parametrize(("processes", "threads"), [(4, 1), (1, 4)])
def test_processes_share_one_quota(tmp_path: Path, processes: int, threads: int) -> None:
    path, calls = tmp_path / "calls.db", 50
    arguments = (str(path), threads, calls, RateWindow(25, 3600), FOR_EVER)
    workers = [PROCESSES.Process(target=reserve_many, args=arguments) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * processes
    connection = sqlite3.connect(path)
    slots = [row[0] for row in connection.execute("SELECT at FROM call")]
    connection.close()
    assert len(slots) == processes * calls
    assert most_in_any(slots, 3600) == 25


def test_a_limit_used_up_for_long_is_an_error_and_takes_no_slot() -> None:
    time = Time()
    limiter = SlidingLimiter(MemorySlotLog(time), "account", sleep=time.sleep)
    daily = Endpoint("create_list", (RateWindow(2, 86_400),))
    limiter.acquire(daily)
    limiter.acquire(daily)
    for _ in range(3):
        with pytest.raises(Throttled, match="create_list") as caught:
            limiter.acquire(daily)
        assert caught.value.retry_after == pytest.approx(86_400, abs=1)
    assert time.now == 1_000
    time.sleep(86_401)
    limiter.acquire(daily)


def test_the_log_forgets_what_decides_nothing_any_more(tmp_path: Path) -> None:
    time = Time()
    log = SqliteSlotLog(tmp_path / "calls.db", time)
    for _ in range(200):
        time.sleep(1)
        log.reserve("key", MEDIUM.windows, 900)
    # The clock was set back by an hour: the slots ahead are nobody's.
    time.now -= 3600
    assert log.reserve("key", MEDIUM.windows, 900).wait == 0
    connection = sqlite3.connect(tmp_path / "calls.db")
    (count,) = connection.execute("SELECT count(*) FROM call").fetchone()
    connection.close()
    assert count == 1


def test_the_log_is_a_file_of_its_own_beside_an_embedded_warehouse(tmp_path: Path) -> None:
    engine = open_warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    log = open_slot_log(engine, tmp_path)
    with engine.begin():  # a plan holds the warehouse's write lock
        assert log.reserve("key", LARGE.windows, 900).wait == 0
    engine.dispose()
