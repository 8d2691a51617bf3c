"""Klaviyo's refusals as the errors the engine knows.

https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

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
from audience_assets.destinations.klaviyo.endpoints import (
    GET_IMPORT_ERRORS,
    GET_IMPORT_JOB,
    GET_IMPORT_LISTS,
    GET_LIST,
    GET_LIST_PROFILES,
    IMPORT_PROFILES,
    REMOVE_MEMBERS,
    SCOPES,
    SUBSCRIBE,
    UNSUBSCRIBE,
    WRITE_PROFILE,
)
from audience_assets.destinations.wording import scrubbed

REQUEST_ID = "x-klaviyo-req-id"
PROFILE_GONE = "profile_gone"

# A row of a job's profiles, or of a list's members.
_ROW_POINTER = re.compile(r"^/data(?:/attributes/profiles/data)?/(\d+)(?:/(.*))?$")
# The one profile that a failed row of an import is about.
_PROFILE_POINTER = re.compile(r"^/data/attributes/(?!profiles/)(.+)$")
_EXPECTED_IN = re.compile(r"available in (\d+(?:\.\d+)?) second")
_LIST_ENDPOINTS = frozenset({GET_LIST.name, GET_LIST_PROFILES.name})
_JOB_ENDPOINTS = frozenset({GET_IMPORT_JOB.name, GET_IMPORT_ERRORS.name, GET_IMPORT_LISTS.name})
_ABOUT_ROWS = frozenset({400, 404, 409, 413, 422})
_ROW_ENDPOINTS = frozenset(
    {SUBSCRIBE.name, UNSUBSCRIBE.name, IMPORT_PROFILES.name, REMOVE_MEMBERS.name, WRITE_PROFILE.name}
)

# In order: the first that fits wins. The texts are Klaviyo's own, whose wording is not promised; what fits none of
# them is told apart by the field the error points at.
_REASONS_BY_TEXT = (
    (re.compile(r"\bage\b|birth", re.I), re.compile(r"gat|birth|under", re.I), "sms_age_gated"),
    (
        re.compile(r"phone|sms|region|countr|send", re.I),
        re.compile(r"region|countr|sending number|sender|not supported|not enabled|not set up", re.I),
        "sms_unavailable_in_region",
    ),
    (re.compile(r"consented_at", re.I), re.compile(r""), "consent_at_refused"),
    (re.compile(r"phone_number.*must not be empty", re.I), re.compile(r""), "sms_unavailable_in_region"),
    (
        re.compile(r"identifier|profile", re.I),
        re.compile(r"different profile|already exist|conflict|duplicate", re.I),
        "identifier_conflict",
    ),
)
_REASONS_BY_FIELD = {
    "email": "invalid_email",
    "phone_number": "invalid_phone",
    "id": PROFILE_GONE,
    "consented_at": "consent_at_refused",
    "age_gated_date_of_birth": "sms_age_gated",
}


class JobMissing(DestinationError):
    """Klaviyo has no such import job, or none any more: they expire after a week."""


def explain(answer: Answer, endpoint: Endpoint) -> DestinationError:
    """The error for an answer of 300 to 499 (429 is handled before)."""
    request_id = answer.headers.get(REQUEST_ID)
    if "html" in answer.headers.get("Content-Type", "") or "cf-mitigated" in answer.headers:
        # Cloudflare's challenge, which passes; a lacking scope is answered in JSON.
        message = f"The proxy before Klaviyo turned {endpoint.name!r} away."
        return Unavailable(message, status=answer.status, request_id=request_id)
    errors = _errors(answer)
    if answer.status == 404 and endpoint.name in _JOB_ENDPOINTS:
        return JobMissing("Klaviyo does not know the import job.", status=404, request_id=request_id)
    if _is_about_the_list(answer.status, endpoint, errors):
        message = "The list does not exist at Klaviyo any more."
        return ListMissing(message, status=answer.status, request_id=request_id)
    if answer.status in _ABOUT_ROWS and endpoint.name in _ROW_ENDPOINTS:
        return _refused_rows(errors, answer.status, request_id)
    kind, message = _about_the_account(answer.status, endpoint, scrubbed(_text(errors)))
    return kind(message, status=answer.status, request_id=request_id)


def _is_about_the_list(status: int, endpoint: Endpoint, errors: Sequence[dict[str, Any]]) -> bool:
    """Of a removal that is not found it may be a profile; then a row is pointed at."""
    if _names_the_list(errors):
        return True
    removal = endpoint.name == REMOVE_MEMBERS.name and not _bad_rows(errors)
    return status == 404 and (removal or endpoint.name in _LIST_ENDPOINTS)


def _refused_rows(errors: Sequence[dict[str, Any]], status: int, request_id: str | None) -> BadRows | BadBatch:
    text, rows = scrubbed(_text(errors)), _bad_rows(errors)
    if rows:
        return BadRows(f"Klaviyo refuses {len(rows)} rows: {text}", rows, status=status, request_id=request_id)
    reason = reason_of(errors[:1])
    return BadBatch(f"Klaviyo refuses the batch: {text}", reason=reason, status=status, request_id=request_id)


def _about_the_account(
    status: int, endpoint: Endpoint, text: str
) -> tuple[type[Unauthorized] | type[Misconfigured], str]:
    if status == 401:
        return Unauthorized, f"Klaviyo does not accept the API key: {text}"
    if status == 403:
        scopes = ", ".join(SCOPES[endpoint.name])
        message = f"The API key lacks a scope that {endpoint.name!r} needs ({scopes})."
        return Unauthorized, f"{message} A key's scopes are fixed when it is made: make a new key with them."
    if status == 404:
        return Misconfigured, f"Klaviyo has no {endpoint.name!r} at this address: check base_url."
    if status == 410:
        return Misconfigured, f"Klaviyo has retired the API revision in use: {text}"
    return Misconfigured, f"Klaviyo refuses {endpoint.name!r}: {text}"


def wait_hint(answer: Answer) -> float | None:
    """Seconds from "Expected available in N seconds", which Klaviyo's 429 says where Retry-After may lack."""
    match = _EXPECTED_IN.search(answer.content.decode(errors="replace"))
    return float(match[1]) if match else None


def meaning(answer: Answer) -> int:
    """The HTTP status, but a web page is no success of Klaviyo's, not even of calls that return nothing."""
    return 502 if answer.status < 300 and answer.content.lstrip()[:1] == b"<" else answer.status


DIALECT = Dialect(vendor="Klaviyo", request_id_header=REQUEST_ID, explain=explain, wait_hint=wait_hint, status=meaning)


def reason_of(errors: Sequence[dict[str, Any]], field: str = "") -> str:
    """Our word for a refusal, from its text, else from the field it points at."""
    text = _text(errors)
    for topic, fault, reason in _REASONS_BY_TEXT:
        if topic.search(text) and fault.search(text):
            return reason
    return _REASONS_BY_FIELD.get(field.rpartition("/")[2], "refused_by_vendor")


def _errors(answer: Answer) -> list[dict[str, Any]]:
    try:
        body = answer.json()
    except Unavailable:
        return []
    errors = body.get("errors") if isinstance(body, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _text(errors: Sequence[dict[str, Any]]) -> str:
    texts = dict.fromkeys(str(error.get("detail") or error.get("title") or "") for error in errors)
    return "; ".join(list(texts)[:3])


def _pointer(error: dict[str, Any]) -> str:
    source = error.get("source")
    return str(source.get("pointer") or "") if isinstance(source, dict) else ""


def _names_the_list(errors: Sequence[dict[str, Any]]) -> bool:
    return any(_pointer(error).startswith("/data/relationships/list") for error in errors)


def _bad_rows(errors: Sequence[dict[str, Any]]) -> list[BadRow]:
    rows = []
    for error in errors:
        match = _ROW_POINTER.match(_pointer(error))
        if match:
            field = (match[2] or "").removeprefix("attributes/")
            rows.append(BadRow(int(match[1]), reason_of([error], field), scrubbed(_text([error])), field or None))
    return rows


def failed_row(failure: dict[str, Any]) -> BadRow:
    """From an `import-error` resource. Its index is -1 where the error does not point at a row."""
    error = failure.get("attributes") or {}
    rows = _bad_rows([error])
    if rows:
        return rows[0]
    match = _PROFILE_POINTER.match(_pointer(error))
    field = match[1] if match else ""
    return BadRow(-1, reason_of([error], field), scrubbed(_text([error])), field or None)
