"""Emarsys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.emarsys import EmarsysAccount, EmarsysSandbox, EmarsysSwitches
from audience_assets_tests.vendors.account import VendorAccount, page

SECRET = "hush"
PAGE = 1000


class ContactList(VendorAccount):
    """`emarsys.contact_list`, whose contacts may share an address."""

    service = "emarsys.contact_list"
    writes = ("addContactsToContactList", "removeContactsFromContactList")
    reads = ("token", "create*", "verify*", "list*")
    variants = ({}, {"options": {"duplicates": "add_all"}})
    otherwise: ClassVar[Mapping[str, Any]] = {
        "values_told": "lower",
        "refuse_unknown": "all",
        "unknown_list_is_404": True,
        "names_fold_case": False,
        "multiple_ids": False,
        "bare_pages": True,
        "count_repeated": True,
        "numbers_as_text": True,
        "bare_forbidden": True,
        "plain_throttle": True,
        "json_called_html": True,
    }

    def __init__(self, name: str, account: EmarsysAccount, variant: Mapping[str, Mapping[str, str]] | None) -> None:
        super().__init__(name, variant)
        self.account = account

    @classmethod
    def twin(cls, *, rate_limits: bool = False) -> EmarsysSandbox:
        return EmarsysSandbox(rate_limits=rate_limits)

    @classmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        return cls(name, sandbox.emarsys.account(name, client=(name, SECRET)), variant)

    def credentials(self, url: str) -> Mapping[str, str]:
        return {
            "client_id": self.name,
            "client_secret": SECRET,
            "base_url": url,
            "token_url": f"{url}/oauth2/token",
        }

    @property
    def switches(self) -> EmarsysSwitches:
        return self.account.switches

    def know(self, emails: Iterable[str]) -> None:
        self.account.add_contacts({"email": email} for email in emails)

    def people(self) -> list[str]:
        return [contact.email for contact in self.account.contacts if contact.email]

    def adopt(self, list_name: str, emails: Iterable[str]) -> None:
        made = self.account.create_list(list_name)
        made.add(contact.id for email in emails for contact in self.account.find(email))

    def listed(self, list_name: str) -> list[str]:
        if not self.account.lists:
            return []
        return [str(each.email) for each in self.account.members(self.account.list_named(list_name).id)]

    def take_off(self, list_name: str, email: str) -> None:
        for each in self.account.lists:
            if each.name == list_name:
                each.remove(contact.id for contact in self.account.find(email))

    def opt_out(self, email: str) -> None:
        self.account.set_opt_in(email, False)

    def opted_out(self) -> set[str]:
        return {email for email in self.people() if self.account.opted_out(email)}

    def delete(self, email: str) -> None:
        self.account.delete_contacts(email)

    def can_list(self, list_name: str, email: str) -> bool:  # noqa: ARG002
        """An address that several have is a matter of an option and of when they came to share it."""
        return len(self.account.find(email)) == 1

    def read(self, session: requests.Session, url: str, list_id: str) -> list[str]:
        form = {"grant_type": "client_credentials"}
        token = page(session.post(f"{url}/oauth2/token", data=form, auth=(self.name, SECRET), timeout=60))
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        found: list[str] = []
        following: Any = f"$skiptoken=0&$top={PAGE}"
        while following:
            asked = f"{url}/api/v3/contactlist/{list_id}/contactIds?{following}"
            told = page(session.get(asked, headers=headers, timeout=60))["data"]
            if told["value"]:
                body = {"keyId": "id", "keyValues": told["value"], "fields": ["3"]}
                data = page(session.post(f"{url}/api/v3/contact/getdata", json=body, headers=headers, timeout=60))
                found += [row["3"] for row in data["data"]["result"]]
            token_of = parse_qs(urlsplit(told.get("next") or "").query).get("$skiptoken")
            following = f"$skiptoken={token_of[0]}&$top={PAGE}" if token_of else None
        return found
