"""The Dotdigital part of the sandbox's page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.dotdigital.account import DotdigitalAccount
from audience_assets.sandbox.dotdigital.contacts import Contact
from audience_assets.sandbox.vendor import Cell, Table, View

if TYPE_CHECKING:
    from audience_assets.sandbox.dotdigital.vendor import DotdigitalSandbox

PAGE = 50
NEWEST_CHANGES = 20
PERSON = ("Id", "E-mail", "Mobile", "E-mail status", "SMS status", "Updated")


def show(vendor: DotdigitalSandbox, path: str, parameters: dict[str, str]) -> View | None:
    """ "" is the overview, `<account>/lists/<id>` a list, `<account>/contacts` everybody."""
    page = int(parameters["page"]) if parameters.get("page", "").isdigit() else 0
    match path.split("/"):
        case [""]:
            return View("Dotdigital", [t for a in vendor.accounts.values() for t in _overview(a)])
        case [name, "contacts"] if name in vendor.accounts:
            return _contacts(vendor.accounts[name], page)
        case [name, "lists", list_id] if name in vendor.accounts and list_id.isdigit():
            return _members(vendor.accounts[name], int(list_id), page)
    return None


def _overview(account: DotdigitalAccount) -> list[Table]:
    with account.lock:
        account.settle()
        contacts = Cell(f"{len(account.contacts):,}", f"{account.name}/contacts")
        facts = (contacts, str(account.id), account.settings.region or "any", f"{len(account.open_jobs())} at work")
        lists = [
            (
                Cell(each.name, f"{account.name}/lists/{each.id}"),
                str(each.id),
                each.visibility,
                f"{len(each):,}",
                f"{len(each.departures):,}",
            )
            for each in account.lists
        ]
        changes = [
            (_when(c.at), str(c.contact_id), c.channel, f"{c.before} → {c.after}", c.origin)
            for c in reversed(account.audit[-NEWEST_CHANGES:])
        ]
    return [
        Table(f"Dotdigital account {account.name}", ("Contacts", "Account id", "Region", "Jobs"), [facts]),
        Table("Lists", ("Name", "Id", "Visibility", "Members", "Unsubscribed"), lists),
        Table("Newest consent", ("Time", "Contact", "Channel", "Change", "By"), changes),
    ]


def _members(account: DotdigitalAccount, list_id: int, page: int) -> View | None:
    with account.lock:
        account.settle()
        found = account.find_list(list_id)
        if found is None:
            return None
        ids = islice(found.ids(), page * PAGE, (page + 1) * PAGE)
        rows = [_person(contact) for each in ids if (contact := account.contacts.by_id(each)) is not None]
    table = Table(f"{len(found):,} members", PERSON, rows, note=f"{found.id}, {found.visibility}")
    return View(found.name, [_paged(table, f"{account.name}/lists/{list_id}", page, len(found))])


def _contacts(account: DotdigitalAccount, page: int) -> View:
    with account.lock:
        account.settle()
        rows = [_person(each) for each in islice(account.contacts, page * PAGE, (page + 1) * PAGE)]
        total = len(account.contacts)
    table = Table(f"{total:,} contacts", PERSON, rows)
    return View(f"Contacts of {account.name}", [_paged(table, f"{account.name}/contacts", page, total)])


def _person(contact: Contact) -> tuple[str, ...]:
    statuses = (contact.email_status, contact.sms_status)
    return (str(contact.id), contact.email or "", contact.mobile or "", *statuses, _when(contact.updated))


def _paged(table: Table, path: str, page: int, total: int) -> Table:
    table.previous = f"{path}?page={page - 1}" if page else None
    table.following = f"{path}?page={page + 1}" if (page + 1) * PAGE < total else None
    return table


def _when(moment: float) -> str:
    return f"{as_datetime(moment):%Y-%m-%d %H:%M:%S}"
