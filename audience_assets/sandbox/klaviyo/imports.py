"""What a bulk import does to an account: profiles are made or changed, and no consent is written."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.klaviyo.jobs import FailedRow, Job
from audience_assets.sandbox.klaviyo.profiles import IDENTIFIERS, Profile

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

Row = Mapping[str, Any]


class RowFailed(Exception):
    """One row can't be imported; the text says why."""


def run(account: KlaviyoAccount, job: Job, rows: Sequence[Row], at: float) -> None:
    """Carry out an import job; rows that fail are noted in it."""
    if job.cancelled:
        return
    targets = [found for list_id in job.list_ids if (found := account.find_list(list_id)) is not None]
    for index, row in enumerate(rows):
        given = row["attributes"]
        try:
            refuse_as_told(account, given)
            profile = upsert(account, row, at, null_clears=account.switches.import_null_clears)
        except RowFailed as failure:
            job.failed += 1
            job.errors.append(_failed_row(account, index, given, str(failure)))
            continue
        job.completed += 1
        job.profile_numbers.append(profile.number)
        for target in targets if account.switches.imports_reach_lists else ():
            target.add(profile.number, at)


def _failed_row(account: KlaviyoAccount, index: int, given: Row, why: str) -> FailedRow:
    switches = account.switches
    pointer = f"/data/attributes/profiles/data/{index}" if switches.import_errors_point else "/data"
    payload = dict(given) if switches.import_errors_hold_rows else None
    return FailedRow(str(uuid.uuid4()), "invalid", "Invalid input", why, pointer, payload)


def upsert(account: KlaviyoAccount, row: Row, at: float, *, null_clears: bool = False) -> Profile:
    """Make or change the profile of a row, or RowFailed. Nulls change nothing unless `null_clears`."""
    given = {name: value for name, value in row["attributes"].items() if null_clears or value is not None}
    owners = _owners(account, row.get("id"), given)
    if len({owner.number for owner in owners}) > 1 and account.switches.import_conflict_fails:
        raise RowFailed("The identifiers belong to different profiles.")
    profile = owners[0] if owners else account.profiles.create(at)
    for name in IDENTIFIERS:
        if name in given:
            account.profiles.identify(profile, name, given.pop(name))
    _write_attributes(profile, given)
    _patch(profile, row.get("meta") or {})
    profile.updated = at
    return profile


def refuse_as_told(account: KlaviyoAccount, given: Row) -> None:
    """RowFailed for addresses and properties that a test has named."""
    told = [str(given.get(name)) for name in IDENTIFIERS]
    told += [f"properties.{name}" for name in given.get("properties") or ()]
    for key in told:
        if key in account.import_failures:
            raise RowFailed(account.import_failures[key])


def _owners(account: KlaviyoAccount, profile_id: str | None, given: Row) -> list[Profile]:
    """The profiles that the row's identifiers belong to, the strongest identifier's first."""
    found = []
    if profile_id:
        owner = account.profiles.by_id(profile_id)
        if owner is None:
            raise RowFailed("A profile with this id does not exist.")
        found.append(owner)
    for name in IDENTIFIERS:
        owner = account.profiles.find(name, given[name]) if given.get(name) else None
        if owner is not None:
            found.append(owner)
    return found


def _write_attributes(profile: Profile, given: Row) -> None:
    if not given:
        return
    own = profile.attributes = dict(profile.attributes or {})
    for name, value in given.items():
        if name in ("location", "properties"):
            own[name] = {**(own.get(name) or {}), **(value or {})}
        elif name != "_kx":
            own[name] = value


def _patch(profile: Profile, meta: Row) -> None:
    """`patch_properties`: append to lists, take out of lists, drop keys."""
    patch = meta.get("patch_properties") or {}
    if not patch:
        return
    own = profile.attributes = dict(profile.attributes or {})
    properties = own["properties"] = dict(own.get("properties") or {})
    for name, value in (patch.get("append") or {}).items():
        held = properties.get(name)
        values = held if isinstance(held, list) else [] if held is None else [held]
        properties[name] = values if value in values else [*values, value]
    for name, value in (patch.get("unappend") or {}).items():
        held = properties.get(name)
        if isinstance(held, list):
            properties[name] = [each for each in held if each != value]
    unset = patch.get("unset") or []
    for name in [unset] if isinstance(unset, str) else unset:
        properties.pop(name, None)
