"""Emarsys' refusals as the errors the engine knows.

https://dev.emarsys.com/docs/core-api-reference: "HTTP 200 errors", "HTTP 400 errors", "HTTP 401-429 errors"
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from audience_assets.destinations.base import (
    BadBatch,
    DestinationError,
    Endpoint,
    ListMissing,
    Misconfigured,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.emarsys.endpoints import (
    ADD,
    CREATE_LIST,
    MEMBER_IDS,
    PERMISSIONS,
    REMOVE,
    Code,
)
from audience_assets.destinations.emarsys.envelope import Reply, is_page, number, read, status_of
from audience_assets.destinations.http import Answer, Dialect

# Emarsys has no id of a request to quote to its support.
NO_REQUEST_ID = ""
RESET = "X-RateLimit-Reset"
WINDOW_SECONDS = 60.0
# The window is a minute; a reset much later than that is no time of this kind.
_LONGEST_RESET_SECONDS = 600.0

INVALID_EMAIL = "invalid_email"
SEVERAL_CONTACTS = "several_contacts"
REFUSED = "refused_by_vendor"
UNKNOWN = "unknown_contact"
# What a refusal of a single row says, in the words of the engine's reports and back.
REASONS: dict[int | None, str] = {
    Code.BAD_VALUE: INVALID_EMAIL,
    Code.SEVERAL_CONTACTS: SEVERAL_CONTACTS,
    Code.UNKNOWN_CONTACT: UNKNOWN,
}
CODES: dict[str, int] = {reason: int(code) for code, reason in REASONS.items() if code is not None}

_OF_THE_LIST = frozenset({ADD.name, REMOVE.name, MEMBER_IDS.name})
_ABOUT_ROWS = frozenset({ADD.name, REMOVE.name})
_OUR_MISTAKES = frozenset(
    {
        Code.GENERIC,
        Code.PARAMETERS,
        Code.METHOD,
        Code.NOT_JSON,
        Code.NOT_INTEGERS,
        Code.NOT_AN_ARRAY,
        Code.BAD_KEY_FIELD,
        Code.NO_SUCH_FIELD,
        Code.NOT_INDEXED,
        Code.IDS_NOT_AN_ARRAY,
        Code.BAD_PAGE,
    }
)


class NameTaken(Misconfigured):
    """Another list has the name, by Emarsys' idea of equal names."""


class NobodyKnown(BadBatch):
    """The whole call is refused because Emarsys knows nobody in it, which older pages document beside row errors."""


def explain(answer: Answer, endpoint: Endpoint) -> DestinationError:
    """The error for an answer that means 300 to 499 (429 is handled before)."""
    reply = read(answer) or Reply(None, "")
    if answer.status == 403:
        return _forbidden(answer, endpoint)
    if answer.status == 401:
        return Unauthorized(f"Emarsys does not accept the credentials: {reply.text or 'no reason given'}.", status=401)
    if _means_the_list(reply.code, endpoint):
        return ListMissing("The contact list does not exist at Emarsys any more.", status=answer.status)
    if endpoint.name == CREATE_LIST.name:
        return _no_such_name(reply, answer.status)
    said = f"{reply.text} (code {reply.code})" if reply.code is not None else f"HTTP {answer.status} without a reason"
    if endpoint.name in _ABOUT_ROWS and reply.code == Code.UNKNOWN_CONTACT:
        return NobodyKnown("Emarsys knows nobody of the batch.", reason=UNKNOWN, status=answer.status)
    too_large = answer.status == 413 or reply.code in (Code.TOO_MANY_IDS, Code.TOO_MANY_CONTACTS)
    if endpoint.name in _ABOUT_ROWS and (too_large or (reply.code is not None and reply.code not in _OUR_MISTAKES)):
        reason = REASONS.get(reply.code, REFUSED)
        return BadBatch(f"Emarsys refuses the batch: {said}", reason=reason, status=answer.status)
    if endpoint.name == MEMBER_IDS.name and answer.status == 404:
        return Misconfigured("Emarsys does not let this account read a contact list's members.", status=404)
    if answer.status == 404 and reply.code is None:
        return Misconfigured(f"Emarsys has no {endpoint.name!r} at this address: check base_url.", status=404)
    return Misconfigured(f"Emarsys refuses {endpoint.name!r}: {said}", status=answer.status)


def _forbidden(answer: Answer, endpoint: Endpoint) -> DestinationError:
    permission = PERMISSIONS.get(endpoint.name, endpoint.name)
    where = "Management > Security Settings"
    if is_page(answer):
        message = (
            f"A proxy before Emarsys turned {endpoint.name!r} away. If that lasts, look whether the credentials have "
            f"the permission {permission!r} ({where})."
        )
        return Unavailable(message, status=403)
    message = (
        f"The credentials lack the permission {permission!r}. Emarsys switches every permission off at first: an "
        f"administrator ticks it in {where}, and it takes a few minutes to take effect."
    )
    return Unauthorized(message, status=403)


def _means_the_list(code: int | None, endpoint: Endpoint) -> bool:
    if code == Code.NO_SUCH_LIST:
        return True
    # The same code says of a new list that its name or description can't be used.
    return code == Code.INVALID_LIST and endpoint.name in _OF_THE_LIST


def _no_such_name(reply: Reply, status: int) -> DestinationError:
    if reply.code == Code.NAME_TAKEN:
        return NameTaken("Emarsys has another contact list of this name.", status=status)
    if reply.code in (Code.NAME_MISSING, Code.INVALID_LIST):
        message = (
            f"Emarsys refuses the list's name or description: {reply.text}. It does not say what it allows; letters, "
            "digits, spaces, _ and - in up to 60 characters are safe. Set another list_name."
        )
        return Misconfigured(message, status=status)
    return Misconfigured(f"Emarsys does not create the list: {reply.text} (code {reply.code})", status=status)


def wait_hint(answer: Answer) -> float:
    """Seconds until the window of a 429 ends: there is no Retry-After but the time of the reset, since 1970.

    Counted from the answer's own Date, so that our clock's error does not matter.
    """
    reset = number(answer.headers.get(RESET))
    if reset is None:
        return WINDOW_SECONDS
    seconds = reset - server_time(answer, time.time())
    return seconds if 0 <= seconds <= _LONGEST_RESET_SECONDS else WINDOW_SECONDS


def server_time(answer: Answer, default: float) -> float:
    """Emarsys' clock when it answered, in seconds since 1970."""
    try:
        return parsedate_to_datetime(answer.headers.get("Date") or "").timestamp()
    except (TypeError, ValueError):
        return default


DIALECT = Dialect(
    vendor="Emarsys", request_id_header=NO_REQUEST_ID, explain=explain, wait_hint=wait_hint, status=status_of
)
