"""Dotdigital's refusals as the errors the engine knows.

The two generations word them differently (developer hub, "Error handling" and "Error response types"): v2 has a
sentence with an ERROR_ token in it, v3 an errorCode. Statuses are documented for few of them, so those decide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

import orjson

from audience_assets.destinations.base import (
    BadBatch,
    DestinationError,
    Endpoint,
    ListMissing,
    Misconfigured,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.dotdigital.pace import GET_CONTACTS, IMPORT, IMPORT_STATUS, REMOVAL_STATUS
from audience_assets.destinations.http import Answer, Dialect

LONGEST_RATE_WAIT_SECONDS = 60.0
# The hour rolls: some calls are free again after a minute.
FLAT_WAIT_SECONDS = 60.0
SLOT_WAIT_SECONDS = 30.0

_TOKEN = re.compile(r"ERROR_[A-Z_]+")
_CODE = re.compile(r"[A-Za-z]+:[A-Za-z]+")
_EPOCH = 1e9  # X-RateLimit-Reset below this counts seconds; the vendor's own sources disagree

LIST_MISSING = frozenset({"ERROR_ADDRESSBOOK_NOT_FOUND"})
PASSING = frozenset({"ERROR_SYSTEM_SERVICETEMPORARILYUNAVAILABLE", "ERROR_UNKNOWN", "ERROR_ADDRESSBOOK_IN_USE"})
CREDENTIALS = frozenset({"ERROR_INVALID_LOGIN", "ERROR_APIUSER_INVALID"})
FLAT_LIMIT = frozenset({"ERROR_APIUSAGE_EXCEEDED"})
NO_SLOT = frozenset({"contacts:tooManyActiveImports", "ERROR_IMPORT_TOOMANYACTIVEIMPORTS"})
# Nobody has an identifier that is none.
NO_CONTACT = frozenset({"contacts:contactNotFound", "contacts:invalidId", "ERROR_CONTACT_NOT_FOUND"})
JOB_LOST = frozenset({"contacts:importNotFound", "ERROR_IMPORT_NOT_FOUND"})
EXPLAINED = {
    "ERROR_ADDRESSBOOK_LIMITEXCEEDED": "the account has as many lists as its package allows",
    "ERROR_ADDRESSBOOK_NOTWRITABLE": "this is one of Dotdigital's own lists, which nobody can write to",
    "ERROR_ADDRESSBOOK_INVALID": "Dotdigital does not take such a list",
    "ERROR_CONTACT_TOOMANY": "the account's contact allowance is used up",
    "ERROR_FEATURENOTACTIVE": "the account's package lacks this feature",
    "contacts:invalidFilter": "Dotdigital does not take the filter",
}


class NameTaken(Misconfigured):
    """A list or a segment of the account has the name."""


class ContactMissing(DestinationError):
    """Dotdigital knows no such contact."""


class JobMissing(DestinationError):
    """Dotdigital knows no such job (any more)."""


def code_of(answer: Answer) -> str | None:
    """The v3 code or v2 token of a refusal; None where there is neither. Nothing else of the body is ever shown."""
    try:
        body = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    v3 = body.get("errorCode")
    if isinstance(v3, str) and _CODE.fullmatch(v3):
        return v3
    found = _TOKEN.search(str(body.get("message") or ""))
    return found[0] if found else None


def explain(answer: Answer, endpoint: Endpoint) -> DestinationError:
    """The error for an answer of 300 to 499 (429 is handled before)."""
    code, status = code_of(answer), answer.status
    told = f"Dotdigital refuses {endpoint.name!r}{f': {code}' if code else ''}"
    if status == 401 or code in CREDENTIALS:
        return Unauthorized("Dotdigital does not accept the API user and its password.", status=status)
    if code in LIST_MISSING:
        return ListMissing("The list does not exist at Dotdigital any more.", status=status)
    if code == "ERROR_ADDRESSBOOK_DUPLICATE":
        return NameTaken(told, status=status)
    if code in PASSING:
        return Unavailable(told, status=status)
    if code in NO_CONTACT:
        return ContactMissing(told, status=status)
    if code in JOB_LOST or (status == 404 and endpoint.name in (IMPORT_STATUS, REMOVAL_STATUS)):
        return JobMissing(told, status=status)
    if endpoint.name == IMPORT and status in (400, 413, 422):
        return BadBatch(told, status=status)
    return _about_the_account(answer, endpoint, code, told)


def _about_the_account(answer: Answer, endpoint: Endpoint, code: str | None, told: str) -> DestinationError:
    if answer.status == 403 and code is None:
        if "cf-mitigated" in answer.headers:
            return Unavailable("The proxy before Dotdigital turned the call away.", status=403)
        message = "Dotdigital denies access: the address is another region's, or the API user may not do this."
        return Misconfigured(f"{message} Leave find_region on, or correct base_url.", status=403)
    if answer.status == 404 and code is None:
        return Misconfigured(f"Dotdigital has no {endpoint.name!r} at this address: check base_url.", status=404)
    if answer.status == 400 and endpoint.name == GET_CONTACTS:
        told += "; `tell_unreachable: false` does without it where it comes from that"
    reason = EXPLAINED.get(code or "")
    return Misconfigured(f"{told} ({reason})." if reason else f"{told}.", status=answer.status)


def meaning(answer: Answer) -> int:
    """The status that an answer amounts to: used-up limits are not always told by 429."""
    limits = FLAT_LIMIT | NO_SLOT
    return 429 if 400 <= answer.status < 500 and code_of(answer) in limits else answer.status


def wait_of(answer: Answer, now: datetime) -> float:
    """Seconds that a 429 asks to wait. Job slots are a 429, too, and no minute's end frees one."""
    code = code_of(answer)
    if code in NO_SLOT or code in FLAT_LIMIT:
        return SLOT_WAIT_SECONDS if code in NO_SLOT else FLAT_WAIT_SECONDS
    try:
        reset = float(answer.headers.get("X-RateLimit-Reset") or "")
    except ValueError:
        return 0.0
    seconds = reset - now.timestamp() if reset > _EPOCH else reset
    return min(max(seconds, 0.0), LONGEST_RATE_WAIT_SECONDS)


def dialect(now: Callable[[], datetime]) -> Dialect:
    """`now` turns the end of a rate window into seconds."""
    # No header with a reference for support is documented.
    return Dialect("Dotdigital", "X-Request-Id", explain, lambda answer: wait_of(answer, now()), meaning)
