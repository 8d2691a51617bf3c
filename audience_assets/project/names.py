"""How things are named, so that a name can be a table, an asset key, a file and a word in a formula."""

from __future__ import annotations

import re
import unicodedata

from audience_assets.project.places import Place

SLUG = re.compile(r"[a-z][a-z0-9_]*")
FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST = 60

# What Dagster accepts as an owner and as a tag.
_OWNER = re.compile(r"team:[A-Za-z0-9_]+|[^@\s]+@[^@\s]+\.[^@\s]+")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def check_slug(name: str, what: str, place: Place) -> bool:
    """Whether the name is a slug; reported if not."""
    if SLUG.fullmatch(name) and len(name) <= LONGEST:
        return True
    if len(name) > LONGEST:
        place.report(f"the name of {_a(what)} has at most {LONGEST} characters; this one has {len(name)}")
        return False
    suggestion = slug(name)
    hint = f"for example {suggestion!r}" if SLUG.fullmatch(suggestion) else None
    place.report(f"{name!r} can't name {_a(what)}: use lower-case letters, digits and _, a letter first", hint)
    return False


def slug(name: str) -> str:
    """What people call something, as a word of a key: letters without accents, digits and single _; may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def check_field_name(name: str, place: Place) -> None:
    if not FIELD.fullmatch(name):
        place.report(
            f"{name!r} can't name a field: use letters, digits and _, no digit first",
            "give the field another name and the table's in `column`",
        )


def check_owners(owners: list[str], place: Place) -> None:
    for index, owner in enumerate(owners):
        if not _OWNER.fullmatch(owner):
            place.at(index).report(f"{owner!r} is not an owner: write an e-mail address or team:NAME")


def check_tag(key: str, value: str, place: Place) -> None:
    if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
        shown = f"{key}: {value}" if value else key
        place.report(f"{shown!r} is not a tag: use up to 63 letters, digits, _, - and .")
