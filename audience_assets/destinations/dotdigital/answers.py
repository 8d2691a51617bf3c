"""The report of an import, read row by row.

Finished is not success: a row may be among the failures, and a failure may be of side data only (contacts description,
`getImportStatus`). Codes are compared without case: the help table and the samples spell them differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from audience_assets.destinations.base import Issue, ListMissing, Misconfigured, Recheck, Status, Unavailable
from audience_assets.destinations.dotdigital.identifiers import Key, Row, key_of
from audience_assets.destinations.shapes import record, records, whole

RUNNING = "NotFinished"
FINISHED = "Finished"
WATCHDOG = "RejectedByWatchdog"
TOO_MANY_CONTACTS = "ExceedsAllowedContactLimit"

_LIST_UNKNOWN = "invalidaddressbookids"
_CONTACT_UNKNOWN = frozenset({"invalidcontactid"})
_REASONS = {
    "invalidemail": "invalid_email",
    "invaliddomain": "invalid_email",
    "invalidphonenumber": "invalid_phone",
    "duplicate": "duplicate_address",
    "duplicateidentifier": "duplicate_address",
    "globallysuppressed": "globally_suppressed",
    "suppressedbydomain": "suppressed_domain",
    "blocker": "blocked_by_vendor",
    "invalidcontactid": "invalid_contact_id",
}


@dataclass(slots=True)
class ImportReport:
    """What became of the rows of one import, by identifier. `refused` is why none of them was taken."""

    contact_ids: dict[Key, int] = field(default_factory=dict)
    failures: dict[Key, list[str]] = field(default_factory=dict)
    refused: Issue | None = None

    def settle(self, row: Row) -> None:
        """Note on the row what became of it; a row that the report does not name stays open."""
        row.contact_id = self.contact_ids.get(row.key)
        codes = self.failures.get(row.key, [])
        if self.refused is not None:
            row.settle(Status.REJECTED, self.refused)
        elif row.contact_id is not None:
            # In the list, whatever else of the row did not get through.
            row.settle(Status.ACCEPTED)
            row.issues += [Issue(reason_of(code), f"Dotdigital says {code}") for code in codes]
        elif codes and codes[0].lower() in _CONTACT_UNKNOWN and isinstance(row.key, int):
            # Well-formed, as we have checked, so nobody has it. Contact ids never create.
            row.settle(Status.ABSENT)
        elif codes:
            row.reject(reason_of(codes[0]), f"Dotdigital says {codes[0]}")


def reason_of(code: str) -> str:
    """Our word for a failure code."""
    return _REASONS.get(code.lower(), "refused_by_vendor")


def read_report(kind: str, body: Mapping[str, Any]) -> ImportReport:
    """From a finished import. ListMissing, Misconfigured or Unavailable where all of it came to nothing."""
    status = body.get("status")
    if status == WATCHDOG:
        # The data-quality check of the vendor ("About the Data Watchdog"); the same data fails again.
        detail = "Dotdigital's data watchdog refused the whole import; its support can say why"
        return ImportReport(refused=Issue("rejected_by_watchdog", detail, recheck=Recheck.WHEN_CHANGED))
    if status == TOO_MANY_CONTACTS:
        raise Misconfigured("The account's contact allowance is used up: Dotdigital took no more of this import.")
    if status != FINISHED:
        raise Unavailable("Dotdigital's import failed.")
    report = ImportReport()
    for each in (*records(body.get("created") or []), *records(body.get("updated") or [])):
        contact_id = whole(each.get("contactId"))
        key = key_of(kind, contact_id, record(each.get("identifiers") or {}))
        if key is not None:
            report.contact_ids[key] = contact_id
    for each in records(body.get("failures") or []):
        codes = _codes(each)
        if any(code.lower() == _LIST_UNKNOWN for code in codes):
            raise ListMissing("The list does not exist at Dotdigital any more.")
        identifiers = record(each.get("identifiers") or {})
        key = key_of(kind, identifiers.get("contactId"), identifiers)
        if key is not None:
            report.failures[key] = codes
    return report


def _codes(failure: Mapping[str, Any]) -> list[str]:
    """Only letters are shown to anybody: a code is one word."""
    found = [str(each.get("failureCode") or "") for each in records(failure.get("failures") or [])]
    return [code for code in found if code.isalpha()] or ["unknown"]
