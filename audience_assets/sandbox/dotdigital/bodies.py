"""Bodies of v3, checked as a whole before anything is done: one bad object refuses the call."""

from __future__ import annotations

import re
from typing import Any

from audience_assets.sandbox.dotdigital.errors import bad_request

IDENTIFIER = re.compile(r"[-A-Za-z0-9_]{1,50}")
MERGE_OPTIONS = ("overwrite", "overwriteIfNotEmpty", "overwriteIfEmpty")
CHANNELS: dict[str, dict[str, tuple[str, ...]]] = {
    "email": {
        "emailType": ("plainText", "html"),
        "optInType": ("unknown", "single", "double", "verifiedDouble"),
        "status": ("subscribed", "unsubscribed", "suppressed"),
    },
    "sms": {"status": ("noSubscription", "subscribed", "unsubscribed", "suppressed")},
    "whatsApp": {"status": ("noSubscription", "subscribed", "unsubscribed", "suppressed")},
}
CONSENT_RECORD = frozenset({"text", "dateTimeConsented", "url", "ipAddress", "userAgent"})


def checked_import(body: Any) -> list[dict[str, Any]]:
    """The contacts of an import; badRequest for all of them when one lacks what is mandatory."""
    contacts = body.get("contacts") if isinstance(body, dict) else None
    if not isinstance(contacts, list) or not contacts:
        raise bad_request("'contacts' must hold at least one contact.")
    if body.get("mergeOption", MERGE_OPTIONS[0]) not in MERGE_OPTIONS:
        raise bad_request("'mergeOption' is none of the options.")
    for each in contacts:
        if not isinstance(each, dict):
            raise bad_request("A contact must be an object.")
        match = each.get("matchIdentifier")
        if not isinstance(match, str) or not IDENTIFIER.fullmatch(match):
            raise bad_request("A contact lacks 'matchIdentifier'.")
        check_contact(each, has_resubscribe_options=True)
        if not each.get("identifiers"):
            raise bad_request("A contact lacks 'identifiers'.")
    return contacts


def check_contact(body: Any, *, has_resubscribe_options: bool) -> None:
    """What all writes of a contact have in common."""
    if not isinstance(body, dict):
        raise bad_request("The body must be an object.")
    identifiers = body.get("identifiers", {})
    if not isinstance(identifiers, dict):
        raise bad_request("'identifiers' must be an object.")
    for name, value in identifiers.items():
        expected = int if name == "contactId" else str
        if type(value) is not expected:
            raise bad_request(f"'identifiers.{name}' is of the wrong type.")
    lists = body.get("lists")
    if lists is not None and not (
        isinstance(lists, list) and 1 <= len(lists) <= 100 and all(type(each) is int for each in lists)
    ):
        raise bad_request("'lists' must hold 1 to 100 ids.")
    if not isinstance(body.get("dataFields", {}), dict):
        raise bad_request("'dataFields' must be an object.")
    _check_channels(body.get("channelProperties", {}), has_resubscribe_options=has_resubscribe_options)
    records = body.get("consentRecords")
    if records is not None and not (
        isinstance(records, list) and 1 <= len(records) <= 5 and all(_is_consent_record(each) for each in records)
    ):
        raise bad_request("'consentRecords' must hold 1 to 5 whole records.")


def _check_channels(channels: Any, *, has_resubscribe_options: bool) -> None:
    if not isinstance(channels, dict) or set(channels) - set(CHANNELS):
        raise bad_request("'channelProperties' has an unknown member.")
    for name, properties in channels.items():
        known = CHANNELS[name]
        options = {"resubscribeOptions"} if name == "email" and has_resubscribe_options else set()
        if not isinstance(properties, dict) or set(properties) - set(known) - options:
            raise bad_request(f"'channelProperties.{name}' has an unknown member.")
        for key, values in known.items():
            if key in properties and properties[key] not in values:
                raise bad_request(f"'channelProperties.{name}.{key}' is none of the values.")


def _is_consent_record(record: Any) -> bool:
    return (
        isinstance(record, dict) and set(record) == CONSENT_RECORD and all(isinstance(v, str) for v in record.values())
    )
