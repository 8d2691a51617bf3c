"""Profiles by identifier, by suppression, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audience_assets.sandbox.klaviyo import render
from audience_assets.sandbox.klaviyo.call import MEDIUM, Call, Operation, answer
from audience_assets.sandbox.klaviyo.errors import refusal
from audience_assets.sandbox.klaviyo.filters import ANY, EQUAL, ORDER, Condition, Field, Kind
from audience_assets.sandbox.klaviyo.paging import links, paginate
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response

READ = frozenset({"profiles:read"})
IDENTIFIERS = frozenset({"id", "email", "phone_number", "external_id", "_kx"})
GLOBAL = "subscriptions.email.marketing.suppression"
OF_LISTS = "subscriptions.email.marketing.list_suppressions"
STRICT = frozenset({"greater-than", "less-than"})
ADDITIONAL = frozenset({"subscriptions", "predictive_analytics"})


def get_profiles(call: Call) -> Response:
    query, profiles = call.query, call.account.profiles
    others = [c for c in query.conditions if c.field not in IDENTIFIERS]
    _check_suppression_filters(others)
    candidates = _candidates(call)

    def wanted(number: int) -> Profile | None:
        each = profiles.by_number(number)
        return each if each is not None and (not others or _matches(each, others)) else None

    if query.sort in ("", "id", "created"):
        positions: Sequence[int] = range(profiles.next_number) if candidates is None else candidates
        found, following, previous = paginate(positions, wanted, query)
    else:
        order = _sorted(call, range(profiles.next_number) if candidates is None else candidates)
        found, following, previous = paginate(range(len(order)), lambda at: wanted(order[at]), query)
    document: dict[str, Any] = {
        "data": [render.profile(call.base, each, query) for each in found],
        "links": links(call.address, query, following, previous),
    }
    if query.include:
        document["included"] = []
    return answer(200, document, rows=len(found))


def _candidates(call: Call) -> list[int] | None:
    """The numbers of the profiles that the identifier conditions select; None when there is none."""
    selected: set[int] | None = None
    for condition in call.query.conditions:
        if condition.field in IDENTIFIERS:
            numbers = {p.number for text in condition.texts if (p := _lookup(call, condition.field, text))}
            selected = numbers if selected is None else selected & numbers
    return None if selected is None else sorted(selected)


def _lookup(call: Call, field: str, value: str) -> Profile | None:
    if field == "id":
        return call.account.profiles.by_id(value)
    if field == "_kx":
        return None
    found = call.account.profiles.find(field, value)
    if found and field == "email" and not call.account.switches.emails_fold_case and found.email != value:
        return None
    return found


def _matches(profile: Profile, conditions: list[Condition]) -> bool:
    plain = [c for c in conditions if c.field in ("created", "updated")]
    if not all(c.holds(getattr(profile, c.field)) for c in plain):
        return False
    suppressions = [c for c in conditions if c not in plain]
    if not suppressions:
        return True
    if profile.permissions is None:
        return False
    of_lists = suppressions[0].field.startswith(OF_LISTS)
    names = {"reason": "reason", "timestamp": "at", "list_id": "list_id"}
    return any(
        all(c.holds(getattr(each, names[c.field.rpartition(".")[2]])) for c in suppressions)
        for each in profile.permissions.suppressions
        if (each.list_id is not None) == of_lists
    )


def _check_suppression_filters(conditions: list[Condition]) -> None:
    """List and global suppressions do not mix, one date at most, list ones need a list."""
    of_lists = [c for c in conditions if c.field.startswith(OF_LISTS)]
    of_all = [c for c in conditions if c.field.startswith(GLOBAL)]
    dates = [c for c in of_lists + of_all if c.field.endswith(".timestamp")]
    if of_lists and of_all:
        detail = "list and global suppressions can not be filtered together"
    elif len(dates) > 1:
        detail = "only one date filter is allowed for suppressions"
    elif of_lists and not any(c.field.endswith(".list_id") for c in of_lists):
        detail = "list suppression filters need a list_id"
    else:
        return
    raise refusal(400, f"Invalid filter provided: {detail}.", parameter="filter")


def _sorted(call: Call, numbers: Sequence[int]) -> list[int]:
    def key(profile: Profile) -> tuple[bool, Any]:
        if call.query.sort in ("email", "updated"):
            value = getattr(profile, call.query.sort)
        else:
            of_lists = call.query.sort.startswith(OF_LISTS)
            held = profile.permissions.suppressions if profile.permissions else []
            value = max((s.at for s in held if (s.list_id is not None) == of_lists), default=None)
        return (value is not None, value)

    found = (call.account.profiles.by_number(number) for number in numbers)
    return [profile.number for profile in sorted((p for p in found if p is not None), key=key)]


def _suppression_fields() -> dict[str, Field]:
    fields = {}
    for prefix in (GLOBAL, OF_LISTS):
        fields[f"{prefix}.reason"] = Field(Kind.TEXT, EQUAL)
        fields[f"{prefix}.timestamp"] = Field(Kind.MOMENT, ORDER)
    return fields | {f"{OF_LISTS}.list_id": Field(Kind.TEXT, EQUAL)}


OPERATIONS = (
    Operation(
        "get_profiles",
        "GET",
        "/api/profiles",
        get_profiles,
        READ,
        variants={"predictive_analytics": MEDIUM},
        query=QuerySpec(
            fields=frozenset({"profile", "push-token", "conversation"}),
            additional={"profile": ADDITIONAL},
            include=frozenset({"push-tokens", "conversations"}),
            filters={
                **{name: Field(Kind.TEXT, ANY) for name in ("id", "email", "phone_number", "external_id")},
                "_kx": Field(Kind.TEXT, EQUAL),
                "created": Field(Kind.MOMENT, STRICT),
                "updated": Field(Kind.MOMENT, STRICT),
                **_suppression_fields(),
            },
            sorts=frozenset({"id", "created", "updated", "email", f"{GLOBAL}.timestamp", f"{OF_LISTS}.timestamp"}),
            page_size=(20, 100),
        ),
    ),
)
