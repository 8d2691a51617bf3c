"""One profile at a time: create, upsert, read, change."""

from __future__ import annotations

from typing import Any

from audience_assets.sandbox.klaviyo import render
from audience_assets.sandbox.klaviyo.call import Call, Operation, answer
from audience_assets.sandbox.klaviyo.documents import resource
from audience_assets.sandbox.klaviyo.errors import Problems, Refusal, error, refusal
from audience_assets.sandbox.klaviyo.imports import RowFailed, upsert
from audience_assets.sandbox.klaviyo.phones import region_of
from audience_assets.sandbox.klaviyo.profile_rows import IDENTIFIERS, OBJECTS, TEXTS, check_profile
from audience_assets.sandbox.klaviyo.profiles import Profile
from audience_assets.sandbox.klaviyo.query import QuerySpec
from audience_assets.sandbox.messages import Response

READ = frozenset({"profiles:read"})
WRITE = frozenset({"profiles:write"})
MOST_BYTES = 100 * 1024
ATTRIBUTES = TEXTS | OBJECTS | IDENTIFIERS
QUERY = QuerySpec(
    fields=frozenset({"profile"}), additional={"profile": frozenset({"subscriptions", "predictive_analytics"})}
)


def create_profile(call: Call) -> Response:
    data, dropped = _checked(call)
    _refuse_owners(call, data["attributes"], None)
    response = _shown(call, _upsert(call, data), 201)
    if dropped:
        response.headers["X-Klaviyo-Partial-Failure"] = "phone_number"
    return response


def import_profile(call: Call) -> Response:
    """Create or change; 201 or 200."""
    data, _ = _checked(call)
    known = _owners(call, data["attributes"])
    if len(known) > 1:
        raise _duplicate(known[1])
    return _shown(call, _upsert(call, data, null_clears=True), 200 if known else 201)


def update_profile(call: Call) -> Response:
    profile = _find(call)
    data = resource(call.body, "profile", attributes=ATTRIBUTES)
    if data.get("id") != profile.id:
        raise refusal(400, "'id' must repeat the id of the path.", pointer="/data/id")
    problems = Problems()
    check_profile(data, "/data", problems)
    problems.settle()
    _refuse_owners(call, data["attributes"], profile)
    return _shown(call, _upsert(call, data, null_clears=True), 200)


def get_profile(call: Call) -> Response:
    return _shown(call, _find(call), 200)


def _upsert(call: Call, data: dict[str, Any], *, null_clears: bool = False) -> Profile:
    try:
        return upsert(call.account, data, call.now, null_clears=null_clears)
    except RowFailed as failure:
        raise refusal(400, str(failure), pointer="/data/id") from failure


def _find(call: Call) -> Profile:
    profile = call.account.profiles.by_id(call.ids["id"])
    if profile is None:
        raise refusal(404, f"A profile with id {call.ids['id']} does not exist.")
    return profile


def _checked(call: Call) -> tuple[dict[str, Any], bool]:
    """The resource, and whether an unusable phone beside a good e-mail was dropped from it."""
    data = resource(call.body, "profile", attributes=ATTRIBUTES)
    phone = data["attributes"].get("phone_number")
    dropped = phone is not None and bool(data["attributes"].get("email")) and region_of(str(phone)) is None
    if dropped:
        data["attributes"].pop("phone_number")
    problems = Problems()
    check_profile(data, "/data", problems)
    problems.settle()
    return data, dropped


def _owners(call: Call, given: dict[str, Any]) -> list[Profile]:
    """The distinct profiles that hold one of these identifiers."""
    found: dict[int, Profile] = {}
    for name in ("email", "phone_number", "external_id"):
        owner = call.account.profiles.find(name, given[name]) if given.get(name) else None
        if owner is not None:
            found[owner.number] = owner
    return list(found.values())


def _refuse_owners(call: Call, given: dict[str, Any], allowed: Profile | None) -> None:
    for owner in _owners(call, given):
        if owner is not allowed:
            raise _duplicate(owner)


def _duplicate(owner: Profile) -> Refusal:
    detail = "A profile already exists with one of these identifiers."
    return Refusal(409, [error(409, detail, pointer="/data/attributes", meta={"duplicate_profile_id": owner.id})])


def _shown(call: Call, profile: Profile, status: int) -> Response:
    document = {"data": render.profile(call.base, profile, call.query), "links": {"self": call.address}}
    return answer(status, document, rows=1)


OPERATIONS = (
    Operation("create_profile", "POST", "/api/profiles", create_profile, WRITE, query=QUERY, max_body=MOST_BYTES),
    Operation(
        "create_or_update_profile",
        "POST",
        "/api/profile-import",
        import_profile,
        WRITE,
        query=QUERY,
        max_body=MOST_BYTES,
    ),
    Operation("get_profile", "GET", "/api/profiles/{id}", get_profile, READ, query=QUERY),
    Operation("update_profile", "PATCH", "/api/profiles/{id}", update_profile, WRITE, query=QUERY, max_body=MOST_BYTES),
)
