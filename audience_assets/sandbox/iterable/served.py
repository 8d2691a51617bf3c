"""The Iterable twin as the command line serves it."""

from __future__ import annotations

from collections.abc import Iterable

from audience_assets.sandbox.iterable import EMAIL, HYBRID, USER_ID, IterableSandbox
from audience_assets.sandbox.served import ACCOUNT, Person, Served


def serve(key: str, rate_limits: bool) -> Served:
    """A hybrid project; the other types by the key with -email or -user_id behind it."""
    vendor = IterableSandbox(rate_limits=rate_limits)
    projects = [vendor.project(ACCOUNT, key=key, project_type=HYBRID)]
    projects += [
        vendor.project(f"{ACCOUNT}-{each}", key=f"{key}-{each}", project_type=each) for each in (EMAIL, USER_ID)
    ]
    names = {"email": "email", "user_id": "userId"}

    def seed(people: Iterable[Person]) -> int:
        rows = [{names[kind]: value for kind, value in person.items() if kind in names} for person in people]
        return max(project.add_users(row for row in rows if row) for project in projects)

    return Served(vendor, seed, lambda url: {"base_url": url, "project_type": HYBRID})
