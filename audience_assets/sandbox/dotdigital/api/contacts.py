"""Contacts, v3: read one, page through, write one, delete one, import many."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any

from audience_assets.sandbox.dotdigital import bodies, imports
from audience_assets.sandbox.dotdigital.call import HIGH, UNLIMITED, Call, Operation, answer
from audience_assets.sandbox.dotdigital.contacts import FIRST_ID, Contact
from audience_assets.sandbox.dotdigital.errors import Refusal, bad_request, v3
from audience_assets.sandbox.dotdigital.jobs import IMPORT
from audience_assets.sandbox.dotdigital.render import DATA_SETS, contact_object
from audience_assets.sandbox.messages import Response

MOST_A_PAGE = 5000
_MOMENT = re.compile(r"gte::(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{3})?Z)")
_FORMS = {"contactId": re.compile(r"\d{1,18}"), "email": imports.EMAIL, "mobileNumber": re.compile(r"\+?\d{7,15}")}
PARAMETERS = frozenset({"~listId", "~segmentId", "~created", "~modified", "limit", "marker", "include", "data-fields"})


def get_contacts(call: Call) -> Response:
    """Seek paging in the order of ids; no next link at the end."""
    query = call.query
    unknown = sorted(set(query) - PARAMETERS)
    if unknown or ("~listId" in query and "~segmentId" in query) or ("~created" in query and "~modified" in query):
        raise v3(400, "invalidFilter", "There is no such filter, or not together with another.")
    limit = query.get("limit", str(MOST_A_PAGE))
    if not limit.isdigit() or not 1 <= int(limit) <= MOST_A_PAGE:
        raise bad_request("'limit' must lie between 1 and 5000.")
    include = tuple(filter(None, query.get("include", "").split("|")))
    if set(include) - set(DATA_SETS):
        raise bad_request("'include' names an unknown data set.")
    contacts = call.account.contacts
    ids = _ids(call, _position(query.get("marker")))
    page: list[Contact] = []
    for contact_id in ids:
        contact = contacts.by_id(contact_id)
        if contact is not None and not contact.binned:
            page.append(contact)
            if len(page) > int(limit):
                break
    items = [contact_object(call.account, contact, include) for contact in page[: int(limit)]]
    following = page[int(limit) - 1].id if len(page) > int(limit) else None
    return answer(200, {"_links": _links(call, following), "_items": items}, rows=len(items))


def _ids(call: Call, position: int) -> Any:
    account, query = call.account, call.query
    moments = {name: _moment(query[name]) for name in ("~created", "~modified") if name in query}
    if "~segmentId" in query:
        raise v3(400, "invalidFilter", "There is no such segment.")
    if "~listId" in query:
        text = query["~listId"]
        found = account.find_list(int(text)) if text.isdigit() else None
        if found is None:
            raise v3(400, "invalidFilter", "There is no such list.")
        ids: Any = found.after(position, with_suppressed=account.switches.list_filter_shows_suppressed)
    elif "~modified" in moments:
        ids = [each for each in account.contacts.modified_since(moments["~modified"]) if each > position]
    else:
        every = account.contacts.ids()
        ids = every[max(0, position - FIRST_ID + 1) :]
    return [each for each in ids if _passes(call, each, moments)] if moments else ids


def _passes(call: Call, contact_id: int, moments: dict[str, float]) -> bool:
    contact = call.account.contacts.by_id(contact_id)
    if contact is None:
        return False
    return contact.created >= moments.get("~created", 0) and contact.updated >= moments.get("~modified", 0)


def _moment(text: str) -> float:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise v3(400, "invalidFilter", "A time is written gte::2026-08-01T00:00:00Z.")
    return datetime.fromisoformat(found[1]).timestamp()


def _position(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        return int(base64.urlsafe_b64decode(marker.encode()))
    except ValueError:
        raise v3(400, "invalidFilter", "The marker is none of ours.") from None


def _links(call: Call, following: int | None) -> dict[str, Any]:
    address = f"{call.request.base_url}/contacts/v3/"
    kept = "&".join(part for part in call.request.query_string.split("&") if part and not part.startswith("marker="))
    first = f"{address}?{kept}"
    links = {"self": {"marker": call.query.get("marker", ""), "link": first}, "first": {"marker": "", "link": first}}
    if following is not None:
        marker = base64.urlsafe_b64encode(str(following).encode()).decode()
        links["next"] = {"marker": marker, "link": f"{first}&marker={marker}"}
    return links


def get_contact(call: Call) -> Response:
    return answer(200, contact_object(call.account, _found(call), DATA_SETS), rows=1)


def _found(call: Call) -> Contact:
    identifier, value = call.ids["identifier"], call.ids["value"]
    form = _FORMS.get(identifier)
    if form is None or not form.fullmatch(value):
        raise v3(400, "invalidId", "The value does not fit the identifier.", value)
    contact = call.account.contacts.find(identifier, value)
    if contact is None or contact.binned:
        raise v3(404, "contactNotFound", "The contact was not found.", value)
    return contact


def create_contact(call: Call) -> Response:
    bodies.check_contact(call.body, has_resubscribe_options=False)
    identifiers = call.body.get("identifiers") or {}
    if not (identifiers.get("email") or identifiers.get("mobileNumber")):
        raise bad_request("'identifiers' must hold an email or a mobileNumber.")
    for name in ("email", "mobileNumber"):
        if name in identifiers and call.account.contacts.find(name, identifiers[name]) is not None:
            raise v3(409, "idAlreadyExists", "The identifier belongs to another contact.", identifiers[name])
    return _written(call, "email" if identifiers.get("email") else "mobileNumber", identifiers, 201)


def upsert_contact(call: Call) -> Response:
    """Finds by the path, creates from the body's identifiers."""
    bodies.check_contact(call.body, has_resubscribe_options=True)
    identifier, value = call.ids["identifier"], call.ids["value"]
    identifiers = call.body.get("identifiers") or {}
    try:
        found: Contact | None = _found(call)
    except Refusal as refused:
        if refused.status != 404:
            raise
        found = None
    if found is not None:
        own: Any = found.id if identifier == "contactId" else value
        return _written(call, identifier, {**identifiers, identifier: own}, 200)
    name = next((name for name in ("email", "mobileNumber") if identifiers.get(name)), None)
    if name is None:
        raise bad_request("'identifiers' must hold an email or a mobileNumber to create a contact.")
    return _written(call, name, identifiers, 201)


def _written(call: Call, match: str, identifiers: dict[str, Any], status: int) -> Response:
    row = {**call.body, "matchIdentifier": match, "identifiers": identifiers}
    report: dict[str, list[Any]] = {"created": [], "updated": [], "failures": []}
    try:
        contact = imports.written(call.account, row, call.now, report)
    except imports.RowFailed as failure:
        raise bad_request(f"The contact was not written: {failure}.") from None
    return answer(status, contact_object(call.account, contact, DATA_SETS), rows=1)


def delete_contact(call: Call) -> Response:
    """From the account, into the recycle bin."""
    contact = _found(call)
    if call.request.applied:
        contact.binned = True
        for each in call.account.every_list():
            each.remove(contact.id, forgets_opt_out=True)
    return answer(200, {"contactId": contact.id})


def import_contacts(call: Call) -> Response:
    account = call.account
    if len(account.open_jobs(IMPORT)) >= account.switches.active_imports:
        raise v3(429, "tooManyActiveImports", "Wait for an import to finish.")
    rows = bodies.checked_import(call.body)
    job = account.start_import(list(rows), applied=call.request.applied)
    return answer(202, {"importId": job.id}, rows=len(rows))


def get_import(call: Call) -> Response:
    text = call.ids["job"]
    if not re.fullmatch(r"[0-9a-fA-F-]{36}", text):
        raise bad_request("The import's id is malformed.", text)
    job = call.account.job(text, IMPORT)
    if job is None:
        raise v3(404, "importNotFound", "There is no such import.", text)
    call.account.poll(job)
    found = {"importId": job.id, "status": job.status or "NotFinished", **(job.report if job.is_done else {})}
    return answer(200, found, rows=job.rows)


ONE = "/contacts/v3/{identifier}/{value}"
OPERATIONS = (
    Operation("get_contacts", "GET", "/contacts/v3", get_contacts),
    Operation("create_contact", "POST", "/contacts/v3", create_contact, HIGH),
    Operation("import_contacts", "PUT", "/contacts/v3/import", import_contacts),
    Operation("get_import", "GET", "/contacts/v3/import/{job}", get_import, UNLIMITED),
    Operation("get_contact", "GET", ONE, get_contact, HIGH),
    Operation("upsert_contact", "PATCH", ONE, upsert_contact, HIGH),
    Operation("delete_contact", "DELETE", ONE, delete_contact, HIGH),
)
