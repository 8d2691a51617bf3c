"""Objects as Dotdigital writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.dotdigital.contacts import Contact
from audience_assets.sandbox.dotdigital.imports import identifiers_of
from audience_assets.sandbox.dotdigital.lists import ContactList

if TYPE_CHECKING:
    from audience_assets.sandbox.dotdigital.account import DotdigitalAccount

DATA_SETS = ("channelProperties", "lists", "preferences", "consentRecords")
V2_STATUSES = {"noSubscription": "NotAvailableInThisVersion"}


def moment(at: float) -> str:
    return as_datetime(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def list_object(found: ContactList) -> dict[str, Any]:
    return {"id": found.id, "name": found.name, "visibility": found.visibility, "contacts": len(found)}


def contact_object(account: DotdigitalAccount, contact: Contact, include: tuple[str, ...]) -> dict[str, Any]:
    """The five members that are always there, and the data sets asked for. No contact has preferences."""
    found: dict[str, Any] = {
        "contactId": contact.id,
        "status": contact.status,
        "created": moment(contact.created),
        "updated": moment(contact.updated),
        "identifiers": identifiers_of(contact),
    }
    if "channelProperties" in include:
        found["channelProperties"] = _channels(contact)
    if "lists" in include:
        lists = ((each, each.status_of(contact.id)) for each in account.every_list() if not each.system)
        found["lists"] = [
            {"id": each.id, "name": each.name, "status": status} for each, status in lists if status is not None
        ]
    if "consentRecords" in include:
        found["consentRecords"] = []
    return found


def _channels(contact: Contact) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if contact.email:
        found["email"] = {"emailType": "Html", "optInType": "Single", "status": contact.email_status}
    if contact.mobile:
        found["sms"] = {"countryCode": "GB", "status": contact.sms_status}
    return found


def v2_contact(contact: Contact) -> dict[str, Any]:
    """v2 knows people by their address."""
    status = V2_STATUSES.get(contact.email_status) or contact.email_status[0].upper() + contact.email_status[1:]
    return {
        "id": contact.id,
        "email": contact.email or "",
        "optInType": "Single",
        "emailType": "Html",
        "dataFields": None,
        "status": status,
    }


def suppression(contact: Contact, at: float) -> dict[str, Any]:
    return {"suppressedContact": v2_contact(contact), "dateRemoved": moment(at), "reason": "Unsubscribed"}
