"""Dotdigital."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.dotdigital import DotdigitalAccount, DotdigitalSandbox, DotdigitalSwitches
from audience_assets_tests.vendors.account import Objection, VendorAccount, page

PASSWORD = "hush"
PAGE = 1000


class ContactList(VendorAccount):
    """`dotdigital.contact_list` by e-mail."""

    service = "dotdigital.contact_list"
    objection = Objection.ENDS
    haste: ClassVar[Mapping[str, str]] = {**VendorAccount.haste, "first_poll_seconds": "0"}
    writes = ("import_contacts", "remove_contacts")
    reads = ("get_import", "get_removal", "get_contact*", "*list*")
    variants = ({}, {"options": {"visibility": "public"}}, {"options": {"tell_unreachable": "false"}})
    otherwise: ClassVar[Mapping[str, Any]] = {
        "removal_keys_in_pascal": True,
        "failure_codes_in_pascal": True,
        "add_lifts_list_opt_out": True,
        "refuse_unknown_removals": True,
        "removal_forgets_opt_out": False,
        "list_filter_shows_suppressed": False,
        "import_touches_unchanged": False,
        "import_reports_unchanged": False,
        "names_fold_case": False,
        "created_status": 200,
        "reset_is_a_moment": False,
    }

    def __init__(self, name: str, account: DotdigitalAccount, variant: Mapping[str, Mapping[str, str]] | None) -> None:
        super().__init__(name, variant)
        self.account = account

    @classmethod
    def twin(cls, *, rate_limits: bool = False) -> DotdigitalSandbox:
        return DotdigitalSandbox(rate_limits=rate_limits)

    @classmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        return cls(name, sandbox.dotdigital.account(name, user=name, password=PASSWORD), variant)

    def credentials(self, url: str) -> Mapping[str, str]:
        return {"api_user": self.name, "password": PASSWORD, "base_url": url}

    @property
    def switches(self) -> DotdigitalSwitches:
        return self.account.switches

    def know(self, emails: Iterable[str]) -> None:
        """Whoever is in the recycle bin is taken out of it."""
        self.account.finish_jobs()
        for email in emails:
            contact = self.account.find(email)
            if contact is None:
                self.account.add_contacts([{"email": email}])
            else:
                contact.binned = False

    def people(self) -> list[str]:
        self.account.finish_jobs()
        return [contact.email for contact in self.account.contacts if contact.email]

    def adopt(self, list_name: str, emails: Iterable[str]) -> None:
        made = self.account.create_list(list_name)
        for email in emails:
            contact = self.account.find(email)
            assert contact is not None
            made.add(contact.id, lifts_opt_out=False)

    def listed(self, list_name: str) -> list[str]:
        self.account.finish_jobs()
        if all(each.name != list_name for each in self.account.lists):
            return []
        return [str(each.email) for each in self.account.members(self.account.list_named(list_name).id)]

    def take_off(self, list_name: str, email: str) -> None:
        self.account.finish_jobs()
        contact = self.account.find(email)
        for each in self.account.lists:
            if contact is not None and each.name == list_name:
                each.remove(contact.id, forgets_opt_out=False)

    def opt_out(self, email: str) -> None:
        self.account.finish_jobs()
        self.account.opt_out(email)

    def opted_out(self) -> set[str]:
        return {c.email for c in self.account.contacts if c.email and c.email_status == "unsubscribed"}

    def delete(self, email: str) -> None:
        self.account.finish_jobs()
        self.account.bin_contact(email)

    def can_list(self, list_name: str, email: str) -> bool:
        """All but those who unsubscribed from the list."""
        contact = self.account.find(email)
        lists = [each for each in self.account.lists if each.name == list_name]
        return contact is None or all(contact.id not in each.departures for each in lists)

    def read(self, session: requests.Session, url: str, list_id: str) -> list[str]:
        found: list[str] = []
        marker = ""
        while True:
            asked = f"{url}/contacts/v3?limit={PAGE}&~listId={list_id}&include=lists{marker}"
            told = page(session.get(asked, auth=(self.name, PASSWORD), timeout=60))
            for contact in told["_items"]:
                status = {str(each["id"]): each["status"] for each in contact["lists"]}[list_id]
                found += [contact["identifiers"]["email"]] if status == "subscribed" else []
            following = ((told.get("_links") or {}).get("next") or {}).get("marker")
            if not following:
                return found
            marker = f"&marker={following}"
