"""Joining and leaving lists."""

from __future__ import annotations

from audience_assets.sandbox.iterable.bulk import PERSON, Tally, Write, carry_out, take_rows
from audience_assets.sandbox.iterable.call import Call, Operation
from audience_assets.sandbox.iterable.errors import unknown_list
from audience_assets.sandbox.iterable.identify import NOT_FOUND, Failure, identify
from audience_assets.sandbox.iterable.lists import IterableList
from audience_assets.sandbox.iterable.project import CHANNEL
from audience_assets.sandbox.iterable.users import User
from audience_assets.sandbox.messages import Response

LIST_WRITES = ("post_lists_subscribe", "post_lists_unsubscribe")


def subscribe(call: Call) -> Response:
    """Adds to the list, and upserts profile data. A dynamic list is not refused."""
    target = _list(call)
    rows = call.rows("subscribers", PERSON)
    existing_only = bool(call.member("updateExistingUsersOnly", bool))
    tally = Tally(call)
    writes = take_rows(call, rows, tally, create_users=not existing_only, create_fields=None)
    carry_out(call, writes, lambda user: target.add(user.number))
    return tally.answer()


def unsubscribe(call: Call) -> Response:
    """Takes off the list; with channelUnsubscribe the whole channel is opted out of."""
    target = _list(call)
    rows = call.rows("subscribers", {"email": str, "userId": str})
    globally = bool(call.member("channelUnsubscribe", bool))
    call.member("campaignId", int)
    tally, writes = Tally(call), []
    for row in rows:
        found = identify(call.project, row, create=False)
        if isinstance(found, Failure):
            tally.fail(found)
        elif not found.users and not call.project.switches.unsubscribe_creates:
            tally.fail(Failure(NOT_FOUND, {"Emails": str(row.get("email"))}))
        else:
            tally.succeeded += 1
            writes.append(Write(found, {}, merge=False))

    def leave(user: User) -> None:
        target.remove(user.number)
        if globally:
            user.unsubscribed_channels = {*(user.unsubscribed_channels or ()), CHANNEL}

    carry_out(call, writes, leave)
    return tally.answer()


def _list(call: Call) -> IterableList:
    """The list, if it takes people already."""
    list_id = call.member("listId", int, required=True)
    found = call.project.find_list(list_id)
    if found is None or call.now < found.created + call.project.switches.new_list_delay:
        raise unknown_list(call.project.id, list_id)
    return found


OPERATIONS = (
    Operation("post_lists_subscribe", "POST", "/api/lists/subscribe", subscribe, writes=True),
    Operation("post_lists_unsubscribe", "POST", "/api/lists/unsubscribe", unsubscribe, writes=True),
)
