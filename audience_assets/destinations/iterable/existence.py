"""Who is a user at Iterable, asked one by one: there is no bulk look-up.

Needed before calls that would create whoever is unknown.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from audience_assets.destinations.base import BadBatch, DestinationError, Throttled, Unavailable
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.people import Person


class Existence:
    """Looks people up with some calls at once; the limiter keeps the pace of 100 a second.

    All batches of a sync share the threads, first come first served, so that the first ones are sent early.
    """

    def __init__(self, client: IterableClient, at_once: int, *, trust: bool) -> None:
        self.client = client
        self.trust = trust
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="look-up")

    def look_up(self, people: Sequence[Person]) -> int:
        """Mark who is absent, known or undecided; how many calls that took. Unauthorized and its like are raised.

        With `trust`, whom an earlier sync found is not looked up again.
        """
        asked: list[Person] = []
        for person in people:
            if self.trust and person.member.vendor_id is not None:
                person.known = True
            elif person.is_open:
                asked.append(person)
        outage = _Outage()
        return sum(self._pool.map(lambda person: self._look_up(person, outage), asked))

    def _look_up(self, person: Person, outage: _Outage) -> int:
        if outage.error is not None:
            person.error = outage.error
            return 0
        before = self.client.calls
        try:
            person.known = self.client.knows(person.kind, person.identifier)
            person.absent = not person.known
        except BadBatch as error:
            person.refuse(error.reason, "Iterable can't read the identifier")
        except (Throttled, Unavailable) as error:
            # The others would only wait for the same outage.
            person.error = outage.found(error)
        return self.client.calls - before


class _Outage:
    """The first outage of a batch."""

    def __init__(self) -> None:
        self.error: DestinationError | None = None
        self._lock = threading.Lock()

    def found(self, error: DestinationError) -> DestinationError:
        with self._lock:
            self.error = self.error or error
        return error
