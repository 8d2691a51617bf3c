"""The Klaviyo part of the sandbox's page."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.klaviyo.account import KlaviyoAccount
from audience_assets.sandbox.klaviyo.consents import NEVER_SUBSCRIBED
from audience_assets.sandbox.klaviyo.jobs import IMPORT, Job
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.vendor import Cell, Table, View

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.vendor import KlaviyoSandbox

PAGE = 50
NEWEST_CHANGES = 20
NEWEST_IMPORTS = 20
SHOWN_FAILURES = 3


def show(vendor: KlaviyoSandbox, path: str, parameters: dict[str, str]) -> View | None:
    """ "" is the overview, `<account>/lists/<id>` a list, `<account>/profiles` everybody."""
    page = int(parameters["page"]) if parameters.get("page", "").isdigit() else 0
    match path.split("/"):
        case [""]:
            return View("Klaviyo", [t for a in vendor.accounts.values() for t in _overview(a)])
        case [name, "profiles"] if name in vendor.accounts:
            return _profiles(vendor.accounts[name], page)
        case [name, "lists", list_id] if name in vendor.accounts:
            return _members(vendor.accounts[name], list_id, page)
    return None


def _overview(account: KlaviyoAccount) -> list[Table]:
    with account.lock:
        now = account.settle()
        lists = [
            (
                Cell(each.name, f"{account.name}/lists/{each.id}"),
                each.id,
                each.opt_in_process,
                f"{len(each):,}",
                _when(each.created),
            )
            for each in account.lists
        ]
        profiles = Cell(f"{len(account.profiles):,}", f"{account.name}/profiles")
        unfinished = sum(job.status(now) in ("queued", "processing") for job in account.jobs)
        newest = (job for job in reversed(account.jobs) if job.kind == IMPORT)
        imports = [_import(account, job, now) for job in islice(newest, NEWEST_IMPORTS)]
        facts = (
            profiles,
            account.id,
            account.settings.default_opt_in,
            ", ".join(sorted(account.settings.sms_regions)),
            f"{len(account.pending):,}",
            f"{len(account.agenda):,} planned, {unfinished} jobs unfinished",
        )
        changes = [
            (
                _when(change.at),
                change.email or change.phone or change.profile_id,
                change.channel,
                f"{change.before} → {change.after}",
                change.origin + (", escalated" if change.escalated else ""),
                _when(change.consented_at),
            )
            for change in reversed(account.audit[-NEWEST_CHANGES:])
        ]
    title = f"Klaviyo account {account.name}"
    columns = ("Profiles", "Account id", "Default opt-in", "SMS senders", "To confirm", "Later")
    return [
        Table(title, columns, [facts]),
        Table("Lists", ("Name", "Id", "Opt-in", "Members", "Created"), lists),
        Table("Newest imports", ("Time", "Into", "State", "Rows", "Imported", "Failed"), imports),
        *_sftp_imports(account),
        Table("Newest consent", ("Time", "Person", "Channel", "Change", "By", "Consent date"), changes),
    ]


def _import(account: KlaviyoAccount, job: Job, now: float) -> tuple[Cell | str, ...]:
    lists = [account.find_list(list_id) for list_id in job.list_ids]
    into = ", ".join(each.name if each else "a deleted list" for each in lists)
    counts = (job.total, job.completed, job.failed)
    return (_when(job.created), into or "no list", job.status(now), *(f"{count:,}" for count in counts))


def _sftp_imports(account: KlaviyoAccount) -> list[Table]:
    """What came by SFTP, newest first; Klaviyo tells it by e-mail."""
    with account.lock:
        results = list(reversed(account.sftp_results[-NEWEST_IMPORTS:]))
    if not results:
        return []
    rows = [
        (
            _when(each.at),
            each.name,
            *(f"{count:,}" for count in (each.rows, each.created, each.updated, each.failed)),
            each.refused or "; ".join(f"line {line}: {reason}" for line, reason in each.failures[:SHOWN_FAILURES]),
        )
        for each in results
    ]
    columns = ("Time", "File", "Rows", "Created", "Updated", "Failed", "Why")
    return [Table("Imports by SFTP", columns, rows)]


def _members(account: KlaviyoAccount, list_id: str, page: int) -> View | None:
    with account.lock:
        account.settle()
        found = account.find_list(list_id)
        if found is None:
            return None
        numbers = list(islice(found, page * PAGE, (page + 1) * PAGE))
        members = [p for number in numbers if (p := account.profiles.by_number(number)) is not None]
        rows = [(*_person(p), _when(found.joined_at(p.number))) for p in members]
    table = Table(f"{len(found):,} members", (*PERSON, "Joined"), rows, note=f"{found.id}, {found.opt_in_process}")
    return View(found.name, [_paged(table, f"{account.name}/lists/{list_id}", page, len(found))])


def _profiles(account: KlaviyoAccount, page: int) -> View:
    with account.lock:
        account.settle()
        rows = [_person(p) for p in islice(account.profiles, page * PAGE, (page + 1) * PAGE)]
    table = Table(f"{len(account.profiles):,} profiles", PERSON, rows)
    return View(f"Profiles of {account.name}", [_paged(table, f"{account.name}/profiles", page, len(account.profiles))])


PERSON = ("E-mail", "Phone", "External id", "E-mail consent", "SMS consent", "Suppressed")


def _person(profile: Profile) -> tuple[str, str, str, str, str, str]:
    held = profile.permissions
    return (
        profile.email or "",
        profile.phone_number or "",
        profile.external_id or "",
        held.status("email.marketing") if held else NEVER_SUBSCRIBED,
        held.status("sms.marketing") if held else NEVER_SUBSCRIBED,
        ", ".join(s.reason for s in held.suppressions) if held else "",
    )


def _paged(table: Table, path: str, page: int, total: int) -> Table:
    table.previous = f"{path}?page={page - 1}" if page else None
    table.following = f"{path}?page={page + 1}" if (page + 1) * PAGE < total else None
    return table


def _when(moment: float | None) -> str:
    return "" if moment is None else f"{as_datetime(moment):%Y-%m-%d %H:%M:%S}"
