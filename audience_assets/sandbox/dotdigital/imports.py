"""What an import does to an account, row by row, when its job ends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.dotdigital.contacts import NO_SUBSCRIPTION, SUBSCRIBED, Contact
from audience_assets.sandbox.dotdigital.jobs import FAILED, FINISHED, TOO_MANY_CONTACTS, WATCHDOG, Job

if TYPE_CHECKING:
    from audience_assets.sandbox.dotdigital.account import DotdigitalAccount

Row = Mapping[str, Any]
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
MOBILE = re.compile(r"\d{7,15}")


class RowFailed(Exception):
    """One row can't be imported; the text is the failure's code in lower camel case."""


class AccountFull(Exception):
    """The account may have no more contacts."""


def run(account: DotdigitalAccount, job: Job, rows: list[Row], at: float) -> str:
    """Carry out an import; returns the status it ends with."""
    if account.watchdog:
        return WATCHDOG
    if account.failing_jobs:
        account.failing_jobs -= 1
        return FAILED
    taken: set[tuple[str, str]] = set()
    report: dict[str, list[Any]] = {"created": [], "updated": [], "failures": []}
    for row in rows:
        name = row["matchIdentifier"]
        key = (name, str(row["identifiers"].get(name)).lower())
        try:
            if key in taken:
                raise RowFailed("duplicate")
            taken.add(key)
            written(account, row, at, report)
        except RowFailed as failure:
            report["failures"].append(_failure(account, row, str(failure)))
        except AccountFull:
            return TOO_MANY_CONTACTS
    job.report = {"summary": _summary(report), **report}
    return FINISHED


def written(account: DotdigitalAccount, row: Row, at: float, report: dict[str, list[Any]]) -> Contact:
    """Make or change the contact of a row and add it to the row's lists, or RowFailed."""
    name, identifiers = row["matchIdentifier"], row["identifiers"]
    value = identifiers.get(name)
    if value is None or name not in ("contactId", "email", "mobileNumber"):
        raise RowFailed("invalidMatchIdentifier")
    email, mobile = checked(account, identifiers)
    targets = [account.find_list(list_id) for list_id in row.get("lists") or ()]
    if any(target is None or target.system for target in targets):
        raise RowFailed("invalidAddressBookIds")
    found = account.contacts.find(name, value)
    created = found is None
    if found is None:
        if name == "contactId":
            raise RowFailed("invalidContactId")
        if account.settings.contact_limit is not None and len(account.contacts) >= account.settings.contact_limit:
            raise AccountFull
        found = account.contacts.create(email, mobile, at)
    before = _state(found)
    # Found in the recycle bin: the person is back, their lists are not.
    found.binned = False
    account.contacts.identify(found, email, mobile)
    _set_status(account, found, row.get("channelProperties") or {}, at)
    changed = _state(found) != before
    for target in targets:
        if target is not None:
            changed |= account.join(target, found, at)
    touched = created or changed
    if touched or account.switches.import_touches_unchanged:
        account.contacts.touch(found, at)
    if created or changed or account.switches.import_reports_unchanged:
        report["created" if created else "updated"].append(reference(found))
    return found


def checked(account: DotdigitalAccount, identifiers: Row) -> tuple[str | None, str | None]:
    """The address and the number, or RowFailed."""
    email, mobile = identifiers.get("email"), identifiers.get("mobileNumber")
    for value in identifiers.values():
        reason = account.import_failures.get(str(value).lower())
        if reason:
            raise RowFailed(reason)
    if email is not None:
        if not EMAIL.fullmatch(email) or "@" in email.partition("@")[2]:
            raise RowFailed("invalidEmail")
        if email.partition("@")[2].lower() in account.suppressed_domains:
            raise RowFailed("suppressedByDomain")
        if email.lower() in account.globally_suppressed:
            raise RowFailed("globallySuppressed")
    if mobile is not None:
        digits = mobile.removeprefix("+") if account.switches.take_plus_in_numbers else mobile
        if not MOBILE.fullmatch(digits):
            raise RowFailed("invalidPhoneNumber")
        mobile = digits
    return email, mobile


def reference(contact: Contact) -> dict[str, Any]:
    return {"contactId": contact.id, "identifiers": identifiers_of(contact)}


def identifiers_of(contact: Contact) -> dict[str, str]:
    found = {"email": contact.email, "mobileNumber": contact.mobile}
    return {name: value for name, value in found.items() if value is not None}


def _set_status(account: DotdigitalAccount, contact: Contact, channels: Row, at: float) -> None:
    """A status that is sent is set: this is how somebody who opted out is opted in again."""
    email = (channels.get("email") or {}).get("status")
    if email is None and contact.email and contact.email_status == NO_SUBSCRIPTION:
        email = SUBSCRIBED
    if email is not None:
        account.set_status(contact, "email", email, "import", at)
    sms = (channels.get("sms") or {}).get("status")
    if sms is not None:
        account.set_status(contact, "sms", sms, "import", at)


def _state(contact: Contact) -> tuple[object, ...]:
    return contact.binned, contact.email, contact.mobile, contact.email_status, contact.sms_status


def _failure(account: DotdigitalAccount, row: Row, code: str) -> dict[str, Any]:
    told = code[0].upper() + code[1:] if account.switches.failure_codes_in_pascal else code
    return {
        "matchIdentifier": row["matchIdentifier"],
        "identifiers": row["identifiers"],
        "failures": [{"failureCode": told, "description": f"The contact was not imported: {code}."}],
    }


def _summary(report: dict[str, list[Any]]) -> dict[str, int]:
    codes = [failure["failures"][0]["failureCode"].lower() for failure in report["failures"]]
    suppressed, duplicates = codes.count("globallysuppressed"), codes.count("duplicate")
    return {
        "newContacts": len(report["created"]),
        "updatedContacts": len(report["updated"]),
        "globallySuppressed": suppressed,
        "invalidEntries": len(codes) - suppressed - duplicates,
        "duplicateIdentifiers": duplicates,
    }
