"""A clock for vendors whose rate limits mean hours: it shows our CPU time, and leaps over waits.

The process that syncs and the twin's process read the same clock. What the syncing process does takes the CPU time of
all its threads, one after the other, whatever else the machine is busy with. The vendor, the network and the disk take
no time. Only when all that can go on is waiting it leaps to the end of the shortest wait: nobody has left and not
arrived, and no thread of the two processes runs, wants to run or waits for the disk. So windows, waits and calls are
where they would be on a machine of one's own with a vendor that answers at once.

How late calls may be on a real machine and network, and draw a 429, this clock does not tell; a real one does. Linux.
"""

from __future__ import annotations

import heapq
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from typing import NamedTuple

from audience_assets.destinations.base import RateWindow
from audience_assets.destinations.limits import Slot, SlotLog
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.connection import Delivery
from audience_assets.sandbox.messages import Response

PROCESSES = multiprocessing.get_context("forkserver")
# How often it is looked whether everybody waits, which has to be so twice in a row; less often while somebody does not
# get the processor that they want. The CPU time of looking is left out.
LOOK_SECONDS, LOOK_AGAIN_SECONDS = 0.001, 0.02
# Whoever has taken more CPU than that since the last look is at work.
IDLE_CPU_SECONDS = 0.0002
# Places of the two processes.
TWIN, SYNC = 0, 1


class Shared(NamedTuple):
    """What the two processes share: seconds skipped so far, calls that the twin has answered, and who they are."""

    started: float
    skipped: Synchronized[float]
    answered: Synchronized[int]
    processes: SynchronizedArray[int]

    @classmethod
    def create(cls) -> Shared:
        return cls(
            time.time(), PROCESSES.Value("d", 0.0), PROCESSES.Value("q", 0), PROCESSES.Array("i", [0, 0], lock=True)
        )

    @property
    def working(self) -> list[int]:
        return [pid for pid in self.processes[:] if pid]

    def serving(self) -> None:
        """This is the twin's process."""
        self.processes[TWIN] = os.getpid()

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """Show this process's CPU time from here on; what it has taken before and will take later is left out."""
        mine = os.getpid()
        self.skipped.get_obj().value -= cpu_seconds(mine)
        self.processes[SYNC] = mine
        try:
            yield
        finally:
            self.processes[SYNC] = 0
            self.skipped.get_obj().value += cpu_seconds(mine)


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process: its clock's id is made as clock_getcpuclockid(3) does on Linux."""
    return time.clock_gettime((~pid << 3) | 2)


def is_at_work(pid: int, besides: int) -> bool:
    """Whether a thread, but that one, runs, waits for a processor or for a disk."""
    tasks = f"/proc/{pid}/task"
    for task in os.listdir(tasks):  # noqa: PTH208 - thousands of times: paths as objects cost more than reading
        if task != str(besides):
            try:
                with open(f"{tasks}/{task}/stat", "rb", buffering=0) as stat:  # noqa: PTH123
                    state = stat.read().rpartition(b")")[2].split(maxsplit=1)[0]
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            if state in b"RD":
                return True
    return False


class SharedClock:
    """Seconds since 1970 when the measurement began, and on from there."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._skipped = shared.skipped.get_obj()

    def now(self) -> float:
        syncing = self._shared.processes[SYNC]
        worked = cpu_seconds(syncing) if syncing else 0.0
        return self._shared.started + float(self._skipped.value) + worked


class RealTime:
    """The machine's clock, where it is to be known how late calls are and what that leads to."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    @contextmanager
    def running(self) -> Iterator[None]:
        yield


class CountingSandbox(Sandbox):
    """Tells the other process how many calls have been answered."""

    shared: Shared

    def answer(self, *request: object, **more: object) -> tuple[Response, Delivery]:
        try:
            return super().answer(*request, **more)  # type: ignore[arg-type]
        finally:
            with self.shared.answered.get_lock():
                self.shared.answered.value += 1


class SkippingClock(SharedClock):
    """The clock of the process that syncs, which does the skipping while it is `running`."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._lock = threading.Lock()
        # Until when somebody sleeps, in the order of going to sleep where that is the same, and how to wake them.
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._slept = 0
        self._left = shared.answered.value
        # CPU seconds: of everybody else at the last look, and of looking.
        self._worked = self._looked = 0.0
        self._pause = LOOK_SECONDS
        self._ended = False

    def sleep(self, seconds: float) -> None:
        wake = threading.Event()
        with self._lock:
            self._slept += 1
            heapq.heappush(self._sleepers, (self.now() + seconds, self._slept, wake))
        wake.wait()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._skip_waits, name="skipping")
        with self._shared.syncing():
            thread.start()
            try:
                yield
            finally:
                self._ended = True
                thread.join()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """No wait is skipped in here."""
        with self._lock:
            yield

    def leaves(self) -> None:
        """A call is on its way to the twin."""
        self._left += 1

    def _skip_waits(self) -> None:
        quiet = 0
        self._looked = time.thread_time()
        while not self._ended:
            time.sleep(self._pause)
            with self._lock:
                quiet = quiet + 1 if self._sleepers and self._is_quiet() else 0
                looked, self._looked = self._looked, time.thread_time()
                self._skipped.value -= self._looked - looked
                if quiet > 1:
                    self._skipped.value += max(0.0, self._sleepers[0][0] - self.now())
                    quiet = 0
                while self._sleepers and self._sleepers[0][0] <= self.now():
                    heapq.heappop(self._sleepers)[2].set()

    def _is_quiet(self) -> bool:
        self._pause = LOOK_SECONDS
        everybody = sum(cpu_seconds(pid) for pid in self._shared.working)
        before, self._worked = self._worked, everybody - time.thread_time()
        arrived = self._shared.answered.value >= self._left
        if not arrived or self._worked - before > IDLE_CPU_SECONDS:
            return False
        mine = threading.get_native_id()
        if any(is_at_work(pid, mine) for pid in self._shared.working):
            self._pause = LOOK_AGAIN_SECONDS
            return False
        return True


class WatchedLog:
    """A log of calls that tells the clock of each departure."""

    def __init__(self, inner: SlotLog, clock: SkippingClock) -> None:
        self._inner = inner
        self._clock = clock

    def reserve(
        self, key: str, windows: Sequence[RateWindow], patience: float, *, leaving: float | None = None
    ) -> Slot:
        with self._clock.standing():
            slot = self._inner.reserve(key, windows, patience, leaving=leaving)
            if slot.wait == 0:
                self._clock.leaves()
            return slot

    def hold(self, key: str, seconds: float) -> None:
        self._inner.hold(key, seconds)
