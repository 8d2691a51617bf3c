"""The checks on a profile that is to be created or imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audience_assets.sandbox.klaviyo.documents import check_email
from audience_assets.sandbox.klaviyo.errors import Problems
from audience_assets.sandbox.klaviyo.phones import region_of

TEXTS = frozenset({"first_name", "last_name", "organization", "locale", "title", "image", "_kx"})
OBJECTS = frozenset({"location", "properties"})
IDENTIFIERS = frozenset({"email", "phone_number", "external_id"})
META = frozenset({"patch_properties", "patch_identifiers"})
LONGEST_EXTERNAL_ID = 255


def check_profile(row: Mapping[str, Any], at: str, problems: Problems) -> None:
    """An importable profile has an identifier, every one of them usable, and nothing Klaviyo does not know."""
    given = row["attributes"]
    at_attributes = f"{at}/attributes"
    for name, value in given.items():
        pointer = f"{at_attributes}/{name}"
        if name not in TEXTS | OBJECTS | IDENTIFIERS:
            problems.add(f"'{name}' is not a valid field for the resource 'profile'.", pointer)
        elif name in TEXTS and not isinstance(value, str | None):
            problems.add(f"'{name}' must be a text.", pointer)
        elif name in OBJECTS and not isinstance(value, dict | None):
            problems.add(f"'{name}' must be an object.", pointer)
    _check_identifiers(given, at_attributes, problems)
    if not (row.get("id") or any(given.get(name) for name in (*IDENTIFIERS, "_kx"))):
        problems.add("At least one identifier is required.", at_attributes)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict) or not META.issuperset(meta):
        problems.add("'meta' holds 'patch_properties' and 'patch_identifiers' only.", f"{at}/meta")


def _check_identifiers(given: Mapping[str, Any], at: str, problems: Problems) -> None:
    check_email(given.get("email"), f"{at}/email", problems)
    phone = given.get("phone_number")
    if phone is not None and not (isinstance(phone, str) and region_of(phone)):
        problems.add("Invalid phone number format (Example of a valid format: +12345678901).", f"{at}/phone_number")
    external_id = given.get("external_id")
    if external_id is not None and not (isinstance(external_id, str) and 1 <= len(external_id) <= LONGEST_EXTERNAL_ID):
        problems.add(f"'external_id' must have 1 to {LONGEST_EXTERNAL_ID} characters.", f"{at}/external_id")
