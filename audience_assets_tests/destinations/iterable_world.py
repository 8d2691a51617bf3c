"""An Iterable project to sync with: the sandbox on a clock that tests move, and services connected to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from audience_assets.destinations.base import Connection, ListRef, Mapped, Member, Outcome, Report
from audience_assets.destinations.iterable.client import IterableClient
from audience_assets.destinations.iterable.contact_list import ContactList
from audience_assets.destinations.iterable.settings import EMAIL, HYBRID, USER_ID, ContactListOptions, IterableSettings
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.iterable import IterableProject, IterableSandbox, IterableSwitches

KEY = "0123456789abcdef0123456789abcdef"
LIST_NAME = "Spring readers"
PROJECT_TYPES = (EMAIL, USER_ID, HYBRID)


@dataclass
class IterableWorld:
    """One sandbox. `limiter` waits by moving the clock, so nothing sleeps."""

    sandbox: Sandbox
    clock: VirtualClock
    limiter: SlidingLimiter
    project: IterableProject

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    @property
    def switches(self) -> IterableSwitches:
        return self.project.switches

    def of_type(self, project_type: str) -> IterableWorld:
        """The same with an empty project of another type."""
        made: IterableProject = self.sandbox.iterable.project(project_type, key=f"{KEY}{project_type}")
        made.type = project_type
        made.fields.types.pop("emailListIds", None)
        made.fields.types[made.lists_field] = "long"
        return IterableWorld(self.sandbox, self.clock, self.limiter, made)

    def settings(self, **given: Any) -> IterableSettings:
        """Of this project, without waits."""
        usual = {
            "api_key": KEY if self.project.name == "demo" else f"{KEY}{self.project.type}",
            "project_type": self.project.type,
            "base_url": self.sandbox.url,
            "first_wait_seconds": 0,
            "new_list_wait_seconds": 0,
            "lookups_at_once": 1,  # two would move the clock against each other
            "tries": 4,
        }
        return IterableSettings.model_validate({**usual, **given})

    def client(self) -> IterableClient:
        return IterableClient(self.settings(), self.limiter)

    def service(
        self,
        kind: str | None = None,
        *,
        attributes: Mapping[str, str] | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> ContactList:
        """`attributes` are mapped fields with their types. Matched by address, but not in userID projects."""
        kind = kind or (USER_ID if self.project.type == USER_ID else EMAIL)
        return ContactList(
            Connection(
                settings=self.settings(**(settings or {})),
                options=ContactListOptions.model_validate(options),
                resubscribe="never",
                import_history=False,
                default_region=None,
                limiter=self.limiter,
                now=lambda: self.now,
                mapped=Mapped({kind: "text"}, attributes or {}),
            )
        )

    def make_list(self, name: str = LIST_NAME, list_type: str = "Standard") -> ListRef:
        made = self.project.create_list(name, list_type)
        return ListRef(str(made.id), name)

    def seed(self, *rows: dict[str, Any]) -> None:
        assert self.project.add_users(rows) == len(rows)

    def listed(self, target: ListRef) -> set[str]:
        """Address, else user id, of everybody in the list, once everything accepted has taken effect."""
        self.project.finish()
        return {str(user.email or user.user_id) for user in self.project.members(int(target.id))}

    def people(self) -> int:
        """How many users there are, once everything accepted has taken effect."""
        self.project.finish()
        return len(self.project.users)

    def data(self, identifier: str) -> dict[str, Any]:
        self.project.finish()
        return self.project.data(identifier)

    def calls(self, endpoint: str) -> list[dict[str, Any]]:
        """Bodies of the calls of an endpoint so far, oldest first; {} for calls without one."""
        return [
            orjson.loads(entry.body) if entry.body else {}
            for entry in self.sandbox.requests
            if entry.endpoint == endpoint
        ]

    def writes(self) -> int:
        return sum(entry.method != "GET" for entry in self.sandbox.requests)


SUBSCRIBE, UNSUBSCRIBE = "post_lists_subscribe", "post_lists_unsubscribe"
BULK_UPDATE, LOOK_UP = "post_users_bulkUpdate", "get_users_getByEmail"


@pytest.fixture
def iterable() -> Iterator[IterableWorld]:
    """An email project whose writes take effect at once."""
    clock = VirtualClock()
    vendor = IterableSandbox(switches=IterableSwitches(apply_delay=0.0))
    with Sandbox([vendor], clock=clock) as sandbox:
        project = vendor.project("demo", key=KEY)

        def sleep(seconds: float) -> None:
            clock.advance(seconds)

        limiter = SlidingLimiter(MemorySlotLog(clock.now), "demo", sleep=sleep)
        yield IterableWorld(sandbox, clock, limiter, project)


def person(identifier: str, kind: str = EMAIL, **values: Any) -> Member:
    """A member with attributes by their name at the vendor; dots are written as two underscores."""
    attributes = {name.replace("__", "."): value for name, value in values.items()}
    return Member(identifier.strip(), {kind: identifier, **attributes})


def only(report: Report) -> Outcome:
    [outcome] = report.outcomes
    return outcome


def reasons(outcome: Outcome) -> dict[str | None, str]:
    return {issue.channel: issue.reason for issue in outcome.issues}
