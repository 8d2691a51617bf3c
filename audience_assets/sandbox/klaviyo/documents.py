"""Reading request bodies: JSON:API documents, with a pointer to whatever is wrong."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from audience_assets.sandbox.klaviyo.account import KlaviyoAccount
from audience_assets.sandbox.klaviyo.errors import Problems, refusal

# The local part is lenient on purpose: Klaviyo's own rule is not published.
EMAIL_ADDRESS = re.compile(r"[^@\s\"(),:;<>\[\\\]]+@[^@\s.]+(\.[^@\s.]+)*\.[A-Za-z0-9-]{2,}")
PROFILES = "/data/attributes/profiles/data"


def is_email(text: str) -> bool:
    return len(text) <= 254 and EMAIL_ADDRESS.fullmatch(text) is not None and text.isprintable()


def resource(
    body: Any, kind: str, *, attributes: Collection[str], relationships: Collection[str] = ()
) -> dict[str, Any]:
    """The document's `data`, of that type, with no other attributes and relationships than those."""
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        raise refusal(400, "The request body must be a JSON object with a 'data' object.", pointer="/data")
    data: dict[str, Any] = body["data"]
    if data.get("type") != kind:
        raise refusal(400, f"'type' must be '{kind}'.", pointer="/data/type")
    given = data.get("attributes")
    if not isinstance(given, dict):
        raise refusal(400, "'attributes' is required.", pointer="/data/attributes")
    for name in given:
        if name not in attributes:
            raise refusal(
                400,
                f"'{name}' is not a valid field for the resource '{kind}'.",
                pointer=f"/data/attributes/{name}",
            )
    related = data.get("relationships") or {}
    if not isinstance(related, dict):
        raise refusal(400, "'relationships' must be an object.", pointer="/data/relationships")
    for name in related:
        if name not in relationships:
            raise refusal(400, f"'{name}' is not a valid relationship.", pointer=f"/data/relationships/{name}")
    return data


def profile_rows(data: dict[str, Any], greatest: int) -> list[dict[str, Any]]:
    """The objects of `attributes.profiles.data`: between one and `greatest` profiles."""
    profiles = data["attributes"].get("profiles")
    rows = profiles.get("data") if isinstance(profiles, dict) else None
    if not isinstance(rows, list):
        raise refusal(400, "'profiles' must hold a 'data' array.", pointer="/data/attributes/profiles")
    if not 1 <= len(rows) <= greatest:
        raise refusal(400, f"Between 1 and {greatest} profiles are allowed in one call.", pointer=PROFILES)
    problems = Problems()
    for index, row in enumerate(rows):
        if not isinstance(row, dict) or row.get("type") != "profile":
            problems.add("'type' must be 'profile'.", f"{PROFILES}/{index}/type")
        elif not isinstance(row.get("attributes"), dict):
            problems.add("'attributes' is required.", f"{PROFILES}/{index}/attributes")
    problems.settle()
    return rows


def related_list(account: KlaviyoAccount, data: dict[str, Any]) -> str | None:
    """The id in `relationships.list`, an object; None when there is none. An unknown list is a 400."""
    relation = (data.get("relationships") or {}).get("list")
    if relation is None:
        return None
    pointer = "/data/relationships/list/data"
    target = relation.get("data") if isinstance(relation, dict) else None
    return known_list(account, target, pointer)


def known_list(account: KlaviyoAccount, target: Any, pointer: str) -> str:
    """The id of a list reference."""
    if not isinstance(target, dict) or target.get("type") != "list" or not isinstance(target.get("id"), str):
        raise refusal(400, "A list is referred to by 'type' and 'id'.", pointer=pointer)
    list_id: str = target["id"]
    if account.find_list(list_id) is None:
        raise refusal(400, f"List ID {list_id} does not exist.", pointer=f"{pointer}/id")
    return list_id


def check_email(value: Any, pointer: str, problems: Problems) -> str | None:
    """A row's e-mail, or None when absent or wrong."""
    if value is None:
        return None
    if not isinstance(value, str) or not is_email(value):
        problems.add("Invalid email address.", pointer)
        return None
    return value
