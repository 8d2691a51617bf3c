"""Members as rows of an import: e-mail address, attributes, further identifiers, and what became of each.

The further identifiers (phone, external id) travel apart from the rest, see `importing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from audience_assets.destinations.base import BadRow, Issue, Member, Outcome, Status
from audience_assets.destinations.identifiers import NO_PHONE, Refused, normal_email, normal_phone
from audience_assets.destinations.klaviyo.attributes import Unfit, is_property, named_by, path_of, to_json
from audience_assets.destinations.klaviyo.endpoints import CAPS

WIRE_NAMES = {"phone": "phone_number", "external_id": "external_id"}
# Observed of other integrations; the API description does not say.
LONGEST_EXTERNAL_ID = 255


@dataclass(slots=True)
class ImportRow:
    """One member. `data` are attributes to write, `cleared` those to empty, `issues` what did not get through."""

    member: Member
    email: str
    data: dict[str, Any] = field(default_factory=dict)
    cleared: list[str] = field(default_factory=list)
    identifiers: dict[str, str] = field(default_factory=dict)
    issues: dict[str, Issue] = field(default_factory=dict)
    status: Status | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing is to be written of a member who stays."""
        return not (self.data or self.cleared or self.identifiers)

    def profile(self, *, null_clears: bool) -> bytes:
        """E-mail address and attributes. Empty ones are left out, unless null clears them; properties are unset."""
        attributes: dict[str, Any] = {"email": self.email}
        nulls = [name for name in self.cleared if null_clears and not is_property(name)]
        for name, value in [*self.data.items(), *((name, None) for name in nulls)]:
            _place(attributes, name, value)
        item: dict[str, Any] = {"type": "profile", "attributes": attributes}
        unset = [path_of(name)[-1] for name in self.cleared if is_property(name)]
        if unset:
            item["meta"] = {"patch_properties": {"unset": unset}}
        return _written(item)

    def identity(self, *kinds: str) -> bytes:
        """E-mail address and the further identifiers."""
        attributes = {"email": self.email, **{WIRE_NAMES[kind]: self.identifiers[kind] for kind in kinds}}
        return _written({"type": "profile", "attributes": attributes})

    def emptied(self) -> dict[str, Any]:
        """A profile whose nulls empty Klaviyo's own fields; {} if there are none to empty."""
        attributes: dict[str, Any] = {}
        for name in self.cleared:
            if not is_property(name):
                _place(attributes, name, None)
        return {"email": self.email, **attributes} if attributes else {}

    def withhold(self, name: str, reason: str, detail: str | None) -> None:
        """An attribute or a further identifier is not delivered; the member is."""
        self.data.pop(name, None)
        self.identifiers.pop(name, None)
        if name in self.cleared:
            self.cleared.remove(name)
        self.issues[name] = Issue(reason, detail, name)

    def give_up(self, refusal: BadRow) -> bool:
        """Go on without what a refusal is about; False if that is the member as such.

        A refusal that says nothing of the place is tried without any attribute.
        """
        written = [*self.data, *self.cleared]
        named = named_by(refusal.field, written) if refusal.field else written
        for name in named:
            self.withhold(name, refusal.reason, refusal.detail)
        return bool(named)

    def reject(self, refusal: BadRow) -> None:
        self.status = Status.REJECTED
        self.issues = {"": Issue(refusal.reason, refusal.detail)}

    def outcome(self) -> Outcome:
        status = self.status or Status.RETRY
        issues = [] if status is Status.RETRY else list(self.issues.values())
        return Outcome(self.member.identifier, status, issues=issues)


def _written(document: Mapping[str, Any]) -> bytes:
    """As JSON, copied: what orjson returns keeps a buffer of 4 KB, and thousands of rows wait until a job is full."""
    return memoryview(orjson.dumps(document)).tobytes()


def _place(attributes: dict[str, Any], name: str, value: Any) -> None:
    path = path_of(name)
    place = attributes.setdefault(path[0], {}) if len(path) > 1 else attributes
    place[path[-1]] = value


@dataclass(frozen=True)
class RowReader:
    """Reads members. `types` are the mapped attributes with the type of their field in the warehouse."""

    types: Mapping[str, str]
    kinds: Sequence[str]
    clears: bool
    default_region: str | None

    def read(self, members: Sequence[Member]) -> tuple[list[ImportRow], list[Outcome]]:
        """Rows to send, and outcomes of members who can't be one. Two of one address would be undefined."""
        rows, refused = [], []
        taken: set[tuple[str, str]] = set()
        for member in members:
            email = normal_email(member.values.get("email"))
            if not isinstance(email, Refused) and ("email", email) in taken:
                email = Refused("duplicate_address", "another member of the list has this address")
            if isinstance(email, Refused):
                issue = Issue(email.reason, email.detail)
                refused.append(Outcome(member.identifier, Status.REJECTED, issues=[issue]))
                continue
            taken.add(("email", email))
            row = ImportRow(member, email)
            self._read_attributes(row)
            self._read_identifiers(row, taken)
            if member.previous is not None:
                _only_changes(row, self._written_before(member.previous))
            _shrink(row)
            rows.append(row)
        return rows, refused

    def _read_attributes(self, row: ImportRow) -> None:
        previous = row.member.previous or {}
        for name, field_type in self.types.items():
            try:
                value = to_json(name, row.member.values.get(name), field_type)
            except Unfit as fault:
                row.withhold(name, "unusable_value", str(fault))
                continue
            if value is not None:
                row.data[name] = value
            elif self.clears and previous.get(name) is not None:
                # What we did not write is not ours to clear.
                row.cleared.append(name)

    def _read_identifiers(self, row: ImportRow, taken: set[tuple[str, str]]) -> None:
        for kind in self.kinds:
            found = self._identifier(kind, row.member.values)
            if isinstance(found, Refused):
                row.withhold(kind, found.reason, found.detail)
            elif found and (kind, found) in taken:
                row.withhold(kind, f"duplicate_{kind}", "another member of the list has it")
            elif found:
                taken.add((kind, found))
                row.identifiers[kind] = found

    def _identifier(self, kind: str, values: Mapping[str, Any]) -> str | Refused | None:
        """None where there is none, which is nothing to complain of."""
        raw = values.get(kind)
        if kind == "phone":
            found = normal_phone(raw, values.get("region") or self.default_region)
            return None if found is NO_PHONE else found
        text = "" if raw is None else str(raw).strip()
        if len(text) > LONGEST_EXTERNAL_ID:
            return Refused("invalid_external_id", f"it has more than {LONGEST_EXTERNAL_ID} characters")
        return text or None

    def _written_before(self, previous: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {kind: self._identifier(kind, previous) for kind in self.kinds}
        for name, field_type in self.types.items():
            try:
                found[name] = to_json(name, previous.get(name), field_type)
            except Unfit:
                found[name] = None
        return found


def _only_changes(row: ImportRow, before: Mapping[str, Any]) -> None:
    """Of a member who stays, what differs from before; everything if nothing does, which is another try."""
    data = {name: value for name, value in row.data.items() if value != before.get(name)}
    identifiers = {kind: value for kind, value in row.identifiers.items() if value != before.get(kind)}
    if data or identifiers or row.cleared:
        row.data, row.identifiers = data, identifiers


def _shrink(row: ImportRow) -> None:
    """Leave out the largest attributes of a profile that is too large for Klaviyo."""
    while row.data and len(row.profile(null_clears=True)) > CAPS.profile_bytes:
        largest = max(row.data, key=lambda name: len(orjson.dumps(row.data[name])))
        row.withhold(largest, "too_large", f"with it the profile has more than {CAPS.profile_bytes:,} bytes")
