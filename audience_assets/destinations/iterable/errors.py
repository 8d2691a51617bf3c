"""Iterable's refusals as the errors the engine knows.

The HTTP status is the verdict: a 400 for an unknown list says `"code": "Success"`. Not every refusal is JSON.
Iterable support, "API Response Codes"; operations of https://api.iterable.com/api/docs
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from audience_assets.destinations.base import (
    BadBatch,
    BadRow,
    BadRows,
    DestinationError,
    Endpoint,
    ListMissing,
    Misconfigured,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.http import Answer, Dialect
from audience_assets.destinations.iterable.endpoints import BULK_UPDATE, GET_USER, SUBSCRIBE, UNSUBSCRIBE
from audience_assets.destinations.wording import scrubbed

REQUEST_ID = "iterable-request-id"
UNKNOWN_USER = "unknown_user"

_ABOUT_ROWS = frozenset({SUBSCRIBE, UNSUBSCRIBE, BULK_UPDATE})
_LIST_UNKNOWN = re.compile(r"invalidListId|Invalid email list id", re.I)
_NOBODY = re.compile(r"noUserWithIdExists|No user with that (?:id|email) exists", re.I)
_ROW_PATH = re.compile(r"^obj\.(?:users|subscribers)(?:\[(\d+)\]|\((\d+)\))(?:\.(\w+))?")
_PER = re.compile(r"rate limit of [\d.]+ per (second|minute|hour|day)", re.I)
_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
# A 429 that tells neither a time nor a period.
UNTOLD_WAIT_SECONDS = 5.0
_REASONS_BY_CODE = {
    "BatchTooLarge": "too_large",
    "InvalidEmailAddressError": "invalid_email",
    "InvalidUserIdError": "invalid_user_id",
    "ForgottenUserError": "forgotten",
    "ExternalKeyConflict": "identity_conflict",
    "Conflict": "identity_conflict",
    "EmailAlreadyExists": "identity_conflict",
    "UserIdAlreadyExists": "identity_conflict",
}
_REASONS_BY_MEMBER = {"email": "invalid_email", "userId": "invalid_user_id", "dataFields": "attributes_refused"}


class _About(TypedDict):
    status: int
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Expected:
    """A field that got a value of another type."""

    expected: str
    offered: tuple[str, ...] = ()


class FieldsMismatched(BadBatch):
    """Values of the wrong type, told by field (dots for nested ones). Nothing of the request was applied."""

    def __init__(self, fields: Mapping[str, Expected], *, status: int, request_id: str | None) -> None:
        self.fields = dict(fields)
        # Parts of an object may be called anything.
        names = scrubbed(", ".join(sorted(fields)))
        message = f"Iterable refuses the batch: values of the wrong type in {names}."
        super().__init__(message, reason="type_mismatch", status=status, request_id=request_id)


class FieldLimit(BadBatch):
    """The project has no room for another field (1,000 in all)."""

    def __init__(self, *, status: int, request_id: str | None) -> None:
        message = "The Iterable project has as many distinct fields as it may have."
        super().__init__(message, reason="field_limit_reached", status=status, request_id=request_id)


@dataclass(frozen=True, slots=True)
class Envelope:
    """`{"msg", "code", "params"}`; empty for whatever is not of that form."""

    code: str = ""
    text: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


def envelope(answer: Answer) -> Envelope:
    """The answer's envelope, in either of Iterable's two error dialects."""
    try:
        body = answer.json()
    except Unavailable:
        return Envelope()
    if not isinstance(body, dict):
        return Envelope()
    params = body.get("params")
    text = body.get("msg") or body.get("message") or ""
    return Envelope(str(body.get("code") or ""), str(text), params if isinstance(params, dict) else {})


def explain(answer: Answer, endpoint: Endpoint) -> DestinationError:
    """The error for an answer of 300 to 499 (429 is handled before).

    Iterable's texts are not repeated, because they quote addresses and values; its codes are.
    """
    told, request_id = envelope(answer), answer.headers.get(REQUEST_ID)
    about: _About = {"status": answer.status, "request_id": request_id}
    if answer.status in (401, 403):
        return Unauthorized(_refused_key(told, endpoint), **about)
    if _LIST_UNKNOWN.search(told.text):
        return ListMissing("The list does not exist at Iterable (any more).", **about)
    if answer.status == 404 and endpoint.name != GET_USER.name:
        return Misconfigured(f"Iterable has no {endpoint.name!r} at this address: check base_url.", **about)
    if endpoint.name in _ABOUT_ROWS and answer.status in (400, 409, 413):
        return _about_rows(told, answer.status, request_id)
    reason = _REASONS_BY_CODE.get(told.code, "refused_by_vendor")
    if endpoint.name == GET_USER.name:
        if names_nobody(answer):
            return BadBatch("Iterable does not know the user.", reason=UNKNOWN_USER, **about)
        return BadBatch(f"Iterable refuses the look-up ({_code(told)}).", reason=reason, **about)
    return Misconfigured(f"Iterable refuses {endpoint.name!r} ({_code(told)}).", **about)


def names_nobody(answer: Answer) -> bool:
    """Whether a look-up found nobody: plain text of old, a code later on, and with either any status."""
    text = answer.content.decode(errors="replace")
    return bool(_NOBODY.search(text))


def _meaning(answer: Answer) -> int:
    """The HTTP status, but for a look-up that found nobody, which may be answered as a server error."""
    return 404 if answer.status == 500 and names_nobody(answer) else answer.status


def _refused_key(told: Envelope, endpoint: Endpoint) -> str:
    if "privilege" in told.text.lower() or "disabled" in told.text.lower():
        return (
            f"The API key is disabled or may not call {endpoint.name!r}: a server-side key with read and write access "
            "is needed."
        )
    return (
        f"Iterable does not accept the API key at {endpoint.name!r} ({_code(told)}). A key of one data centre is "
        "unknown in the other: check data_center, too."
    )


def _about_rows(told: Envelope, status: int, request_id: str | None) -> DestinationError:
    if told.code == "RequestFieldsTypesMismatched" and (fields := _mismatches(told.params)):
        return FieldsMismatched(fields, status=status, request_id=request_id)
    if told.code == "UniqueFieldsLimitExceeded":
        return FieldLimit(status=status, request_id=request_id)
    rows = _bad_rows(told.params)
    if rows:
        return BadRows(f"Iterable refuses {len(rows)} rows.", rows, status=status, request_id=request_id)
    reason = "too_large" if status == 413 else _REASONS_BY_CODE.get(told.code, "refused_by_vendor")
    return BadBatch(f"Iterable refuses the batch ({_code(told)}).", reason=reason, status=status, request_id=request_id)


def _mismatches(params: Mapping[str, Any]) -> dict[str, Expected]:
    errors = params.get("validationErrors")
    found: dict[str, Expected] = {}
    for name, error in errors.items() if isinstance(errors, dict) else ():
        told = error if isinstance(error, dict) else {}
        offered = told.get("incomingTypes")
        types = tuple(str(each) for each in offered) if isinstance(offered, list) else ()
        found[str(name)] = Expected(str(told.get("expectedType") or "unknown"), types)
    return found


def _bad_rows(params: Mapping[str, Any]) -> list[BadRow]:
    rows: dict[int, BadRow] = {}
    for path in params:
        match = _ROW_PATH.match(str(path))
        if match:
            index, member = int(match[1] or match[2]), match[3] or ""
            reason = _REASONS_BY_MEMBER.get(member, "refused_by_vendor")
            rows.setdefault(index, BadRow(index, reason, f"Iterable can't read {member or 'the row'}"))
    return list(rows.values())


def _code(told: Envelope) -> str:
    return told.code if re.fullmatch(r"[\w.]{1,60}", told.code) else "no code"


def wait_hint(answer: Answer) -> float | None:
    """Seconds from "Exceeded rate limit of 4.0 per minute ...": the period, since Retry-After is not sent."""
    match = _PER.search(answer.content.decode(errors="replace"))
    return _PERIODS[match[1].lower()] if match else UNTOLD_WAIT_SECONDS


DIALECT = Dialect(
    vendor="Iterable", request_id_header=REQUEST_ID, explain=explain, wait_hint=wait_hint, status=_meaning
)
