"""Iterable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.iterable import IterableProject, IterableSandbox, IterableSwitches
from audience_assets_tests.vendors.account import VendorAccount


class ContactList(VendorAccount):
    """`iterable.contact_list` by e-mail, in a project of a type of its own."""

    service = "iterable.contact_list"
    haste: ClassVar[Mapping[str, str]] = {**VendorAccount.haste, "new_list_wait_seconds": "0"}
    writes = ("post_lists_subscribe", "post_lists_unsubscribe")
    reads = ("post_users_bulkUpdate", "get_users*", "*_lists")
    variants = (
        {},
        {"settings": {"project_type": "hybrid"}},
        {"settings": {"project_type": "hybrid", "update_call": "subscribe"}},
    )
    otherwise: ClassVar[Mapping[str, Any]] = {
        "echo": "lower",
        "conflict_names": "sent",
        "type_conflict": "row",
        "integers_fit_double": False,
        "creates_fields": False,
        "unsubscribe_creates": True,
        "unknown_user_id": "code",
    }

    def __init__(self, name: str, project: IterableProject, variant: Mapping[str, Mapping[str, str]] | None) -> None:
        super().__init__(name, variant)
        self.project = project

    @classmethod
    def twin(cls, *, rate_limits: bool = False) -> IterableSandbox:
        return IterableSandbox(rate_limits=rate_limits, switches=IterableSwitches(apply_delay=0.0))

    @classmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        kind = (variant or {}).get("settings", {}).get("project_type", "email")
        return cls(name, sandbox.iterable.project(name, key=f"key of {name}", project_type=kind), variant)

    def credentials(self, url: str) -> Mapping[str, str]:
        return {"api_key": f"key of {self.name}", "base_url": url, "project_type": "email"}

    @property
    def switches(self) -> IterableSwitches:
        return self.project.switches

    def know(self, emails: Iterable[str]) -> None:
        self.project.add_users({"email": email} for email in emails)

    def people(self) -> list[str]:
        self.project.finish()
        return [user.email for user in self.project.users if user.email]

    def adopt(self, list_name: str, emails: Iterable[str]) -> None:
        made = self.project.create_list(list_name)
        for email in emails:
            user = self.project.find(email)
            assert user is not None
            made.add(user.number)

    def listed(self, list_name: str) -> list[str]:
        self.project.finish()
        if all(each.name != list_name for each in self.project.lists):
            return []
        return [str(user.email) for user in self.project.members(self.project.list_named(list_name).id)]

    def take_off(self, list_name: str, email: str) -> None:
        self.project.finish()
        user = self.project.find(email)
        for each in self.project.lists:
            if user is not None and each.name == list_name:
                each.remove(user.number)

    def opt_out(self, email: str) -> None:
        self.project.opt_out(email)

    def opted_out(self) -> set[str]:
        return {user.email for user in self.project.users if user.email and user.unsubscribed_channels}

    def delete(self, email: str) -> None:
        self.project.finish()
        self.project.delete(email)

    def attributes(self, email: str) -> Mapping[str, Any]:
        return self.project.data(email)

    def read(self, session: requests.Session, url: str, list_id: str) -> list[str]:
        headers = {"Api-Key": f"key of {self.name}"}
        told = session.get(f"{url}/api/lists/getUsers?listId={list_id}", headers=headers, timeout=60)
        told.raise_for_status()
        return told.text.split()
