"""Who is in a list: read, add, remove. No consent changes here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from audience_assets.sandbox.klaviyo import render
from audience_assets.sandbox.klaviyo.call import MEDIUM, Call, Operation, answer
from audience_assets.sandbox.klaviyo.errors import Problems, Refusal, error, refusal
from audience_assets.sandbox.klaviyo.filters import ANY, EQUAL, ORDER, Condition, Field, Kind
from audience_assets.sandbox.klaviyo.lists import KlaviyoList
from audience_assets.sandbox.klaviyo.paging import links, paginate
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response

READ = frozenset({"lists:read", "profiles:read"})
WRITE = frozenset({"lists:write", "profiles:write"})
GREATEST = 1000
FILTERS = {
    "email": Field(Kind.TEXT, ANY),
    "phone_number": Field(Kind.TEXT, ANY),
    "push_token": Field(Kind.TEXT, ANY),
    "_kx": Field(Kind.TEXT, EQUAL),
    "joined_group_at": Field(Kind.MOMENT, ORDER),
}


def get_profiles_for_list(call: Call) -> Response:
    target = call.list_or_404()

    def shown(profile: Profile) -> dict[str, Any]:
        joined = target.joined_at(profile.number)
        return render.profile(call.base, profile, call.query, joined=joined, member=True)

    return _members(call, target, shown)


def get_profile_ids_for_list(call: Call) -> Response:
    return _members(call, call.list_or_404(), render.identity)


def _members(call: Call, target: KlaviyoList, shown: Callable[[Profile], dict[str, Any]]) -> Response:
    profiles, conditions = call.account.profiles, call.query.conditions

    def wanted(position: int) -> Profile | None:
        number = target.at(position)
        return None if number is None else profiles.by_number(number)

    positions = _positions(call, target, conditions)
    found, following, previous = paginate(positions, wanted, call.query)
    document = {
        "data": [shown(profile) for profile in found],
        "links": links(call.address, call.query, following, previous),
    }
    return answer(200, document, rows=len(found))


def _positions(call: Call, target: KlaviyoList, conditions: Sequence[Condition]) -> Sequence[int]:
    """Where in the list those may stand who match."""
    window = range(target.positions)
    for condition in conditions:
        if condition.field != "joined_group_at":
            continue
        inclusive = condition.operator.endswith("-or-equal")
        less = condition.operator.startswith("less")
        part = target.joined_between(
            None if less else condition.moment, condition.moment if less else None, inclusive=inclusive
        )
        window = range(max(window.start, part.start), min(window.stop, part.stop))
    identifying = [c for c in conditions if c.field != "joined_group_at"]
    if not identifying:
        return window
    selected = set.intersection(*(_selected(call, target, c) for c in identifying))
    return sorted(position for position in selected if position in window)


def _selected(call: Call, target: KlaviyoList, condition: Condition) -> set[int]:
    found = set()
    for text in condition.texts:
        profile = None
        if condition.field in ("email", "phone_number"):
            profile = call.account.profiles.find(condition.field, text)
        position = target.position_of(profile.number) if profile else None
        if position is not None:
            found.add(position)
    return found


def add_profiles_to_list(call: Call) -> Response:
    target = call.list_or_404()
    numbers, sent = _profile_numbers(call)
    if call.request.applied:
        for number in numbers:
            target.add(number, call.now)
    return answer(204, rows=sent)


def remove_profiles_from_list(call: Call) -> Response:
    target = call.list_or_404()
    numbers, sent = _profile_numbers(call)
    if call.request.applied:
        for number in numbers:
            target.remove(number)
    return answer(204, rows=sent)


def _profile_numbers(call: Call) -> tuple[list[int], int]:
    """The profiles a body names, and how many rows it had. An unknown id refuses the whole call."""
    rows = call.body.get("data") if isinstance(call.body, dict) else None
    if not isinstance(rows, list):
        raise refusal(400, "The request body must hold a 'data' array.", pointer="/data")
    if not 1 <= len(rows) <= GREATEST:
        raise refusal(400, f"Between 1 and {GREATEST} profiles are allowed in one call.", pointer="/data")
    problems, unknown, numbers = Problems(), [], []
    status = call.account.switches.unknown_member_status
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("type") != "profile" or not isinstance(row.get("id"), str):
            problems.add("A profile is referred to by 'type' and 'id'.", f"/data/{index}")
            continue
        profile = call.account.profiles.by_id(row["id"])
        if profile is not None:
            numbers.append(profile.number)
        elif status:
            text = f"A profile with id {row['id']} does not exist."
            unknown.append(error(status, text, pointer=f"/data/{index}/id"))
    problems.settle()
    if unknown:
        raise Refusal(status, unknown)
    return numbers, len(rows)


PATH = "/api/lists/{id}/relationships/profiles"
OPERATIONS = (
    Operation(
        "get_profiles_for_list",
        "GET",
        "/api/lists/{id}/profiles",
        get_profiles_for_list,
        READ,
        variants={"predictive_analytics": MEDIUM},
        query=QuerySpec(
            fields=frozenset({"profile"}),
            additional={"profile": frozenset({"subscriptions", "predictive_analytics"})},
            filters=FILTERS,
            sorts=frozenset({"joined_group_at"}),
            page_size=(20, 100),
        ),
    ),
    Operation(
        "get_profile_ids_for_list",
        "GET",
        PATH,
        get_profile_ids_for_list,
        READ,
        query=QuerySpec(filters=FILTERS, sorts=frozenset({"joined_group_at"}), page_size=(20, 100)),
    ),
    Operation("add_profiles_to_list", "POST", PATH, add_profiles_to_list, WRITE, limits=MEDIUM),
    Operation("remove_profiles_from_list", "DELETE", PATH, remove_profiles_from_list, WRITE, limits=MEDIUM),
)
