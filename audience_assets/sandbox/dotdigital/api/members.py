"""Members of a list, v2's way: removal by contact id, unsubscribing, and who unsubscribed since."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from audience_assets.sandbox.dotdigital.call import HIGH, UNLIMITED, Call, Operation, answer
from audience_assets.sandbox.dotdigital.contacts import Contact
from audience_assets.sandbox.dotdigital.errors import v2
from audience_assets.sandbox.dotdigital.jobs import REMOVAL, Job
from audience_assets.sandbox.dotdigital.render import suppression, v2_contact
from audience_assets.sandbox.messages import Response


def get_members(call: Call) -> Response:
    """Who has only a number has no place here."""
    select, skip = call.select_skip()
    every = (call.account.contacts.by_id(contact_id) for contact_id in call.list_or_404().ids())
    found = [v2_contact(each) for each in every if each is not None and each.email][skip : skip + select]
    return answer(200, found, rows=len(found))


def remove_one(call: Call) -> Response:
    """Whoever is no member is no error: our choice, the vendor does not say."""
    target, contact_id = call.writable_list("list"), call.whole("contact")
    if call.account.contacts.by_id(contact_id) is None:
        raise v2(404, "ERROR_CONTACT_NOT_FOUND")
    if call.request.applied:
        call.account.leave(target, contact_id, call.now)
    return answer(204)


def remove_contacts(call: Call) -> Response:
    """A job. It reports nothing by id."""
    target, account = call.writable_list("list"), call.account
    ids = call.body
    if not isinstance(ids, list) or not all(type(each) is int and 0 <= each < 2**31 for each in ids) or not ids:
        raise v2(400, "ERROR_PARAMETER_INVALID")
    if account.switches.refuse_unknown_removals and any(account.contacts.by_id(each) is None for each in ids):
        raise v2(404, "ERROR_CONTACT_NOT_FOUND")
    job = account.start_removal(target, ids, applied=call.request.applied)
    return answer(202, _shown(call, job), rows=len(ids))


def empty_list(call: Call) -> Response:
    target = call.writable_list("list")
    job = call.account.start_removal(target, target.ids(), applied=call.request.applied)
    return answer(202, _shown(call, job), rows=len(target))


def get_removal(call: Call) -> Response:
    job = call.account.job(call.ids["job"], REMOVAL)
    if job is None:
        raise v2(404, "ERROR_IMPORT_NOT_FOUND")
    call.account.poll(job)
    return answer(200, _shown(call, job))


def _shown(call: Call, job: Job) -> dict[str, str]:
    found = {"id": job.id, "status": job.status or "Started"}
    return {k.capitalize(): v for k, v in found.items()} if call.account.switches.removal_keys_in_pascal else found


def unsubscribe_from_list(call: Call) -> Response:
    """From this list; others stay."""
    target, contact = call.writable_list(), _addressed(call)
    if call.request.applied:
        target.unsubscribe(contact.id, call.now)
        call.account.contacts.touch(contact, call.now)
    return answer(200, suppression(contact, call.now))


def unsubscribe(call: Call) -> Response:
    """From all lists and the account."""
    contact = _addressed(call)
    if call.request.applied:
        call.account.opt_out(contact.email or "")
    return answer(200, suppression(contact, call.now))


def _addressed(call: Call) -> Contact:
    email = call.body.get("email") if isinstance(call.body, dict) else None
    if not isinstance(email, str):
        raise v2(400, "ERROR_INVALID_EMAIL")
    contact = call.account.contacts.find("email", email)
    if contact is None:
        raise v2(404, "ERROR_CONTACT_NOT_FOUND")
    return contact


def unsubscribed_from_list(call: Call) -> Response:
    since = _date(call)
    departures = call.list_or_404().departures.values()
    return _suppressions(call, ((each.contact_id, each.at) for each in departures if each.at >= since))


def suppressed(call: Call) -> Response:
    since = _date(call)
    every = call.account.contacts
    gone = (each for each in every if each.email_status not in ("subscribed", "noSubscription"))
    return _suppressions(call, ((each.id, each.updated) for each in gone if each.updated >= since))


def _suppressions(call: Call, found: Iterable[tuple[int, float]]) -> Response:
    select, skip = call.select_skip()
    people = ((call.account.contacts.by_id(contact_id), at) for contact_id, at in found)
    page = [suppression(contact, at) for contact, at in people if contact is not None][skip : skip + select]
    return answer(200, page, rows=len(page))


def _date(call: Call) -> float:
    try:
        return datetime.strptime(call.ids["date"], "%Y-%m-%d").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise v2(400, "ERROR_PARAMETER_INVALID") from None


LIST = "/v2/address-books/{list}/contacts"
OPERATIONS = (
    Operation("get_members", "GET", "/v2/address-books/{id}/contacts", get_members),
    Operation("remove_contacts", "POST", f"{LIST}/delete", remove_contacts),
    Operation("empty_list", "POST", f"{LIST}/delete-all", empty_list),
    Operation("remove_one", "DELETE", f"{LIST}/{{contact}}", remove_one, HIGH),
    Operation("get_removal", "GET", "/v2/contacts/deletion/{job}", get_removal, UNLIMITED),
    Operation("unsubscribe_from_list", "POST", "/v2/address-books/{id}/contacts/unsubscribe", unsubscribe_from_list),
    Operation("unsubscribe", "POST", "/v2/contacts/unsubscribe", unsubscribe),
    Operation(
        "get_unsubscribed_from_list",
        "GET",
        "/v2/address-books/{id}/contacts/unsubscribed-since/{date}",
        unsubscribed_from_list,
    ),
    Operation("get_suppressed", "GET", "/v2/contacts/suppressed-since/{date}", suppressed),
)
