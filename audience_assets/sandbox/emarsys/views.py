"""The Emarsys part of the sandbox's page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.emarsys.account import EmarsysAccount
from audience_assets.sandbox.emarsys.contacts import OPT_IN, Contact
from audience_assets.sandbox.vendor import Cell, Table, View

if TYPE_CHECKING:
    from audience_assets.sandbox.emarsys.vendor import EmarsysSandbox

PAGE = 50
PERSON = ("Id", "E-mail", "Opt-in")
OPT_IN_WORDS = {"1": "true", "2": "false"}


def show(vendor: EmarsysSandbox, path: str, parameters: dict[str, str]) -> View | None:
    """ "" is the overview, `<account>/lists/<id>` a list, `<account>/contacts` everybody."""
    page = int(parameters["page"]) if parameters.get("page", "").isdigit() else 0
    match path.split("/"):
        case [""]:
            return View("Emarsys", [t for a in vendor.accounts.values() for t in _overview(a)])
        case [name, "contacts"] if name in vendor.accounts:
            return _contacts(vendor.accounts[name], page)
        case [name, "lists", list_id] if name in vendor.accounts and list_id.isdigit():
            return _members(vendor.accounts[name], int(list_id), page)
    return None


def _overview(account: EmarsysAccount) -> list[Table]:
    with account.lock:
        lists = [
            (
                Cell(each.name, f"{account.name}/lists/{each.id}"),
                str(each.id),
                f"{len(each.members):,}",
                f"{as_datetime(each.created):%Y-%m-%d %H:%M:%S}",
            )
            for each in account.lists
        ]
        contacts = Cell(f"{len(account.contacts):,}", f"{account.name}/contacts")
    return [
        Table(f"Emarsys account {account.name}", ("Contacts",), [(contacts,)]),
        Table("Contact lists", ("Name", "Id", "Members", "Created"), lists),
    ]


def _members(account: EmarsysAccount, list_id: int, page: int) -> View | None:
    with account.lock:
        found = account.find_list(list_id)
        if found is None:
            return None
        ids = islice(sorted(found.members), page * PAGE, (page + 1) * PAGE)
        people = [contact for each in ids if (contact := account.contacts.by_id(each)) is not None]
        total = len(found.members)
    table = Table(f"{total:,} members", PERSON, [_person(each) for each in people], note=str(found.id))
    return View(found.name, [_paged(table, f"{account.name}/lists/{list_id}", page, total)])


def _contacts(account: EmarsysAccount, page: int) -> View:
    with account.lock:
        rows = [_person(each) for each in islice(account.contacts, page * PAGE, (page + 1) * PAGE)]
        total = len(account.contacts)
    table = Table(f"{total:,} contacts", PERSON, rows)
    return View(f"Contacts of {account.name}", [_paged(table, f"{account.name}/contacts", page, total)])


def _person(contact: Contact) -> tuple[str, str, str]:
    return str(contact.id), contact.email or "", OPT_IN_WORDS.get(contact.fields.get(OPT_IN, ""), "")


def _paged(table: Table, path: str, page: int, total: int) -> Table:
    table.previous = f"{path}?page={page - 1}" if page else None
    table.following = f"{path}?page={page + 1}" if (page + 1) * PAGE < total else None
    return table
