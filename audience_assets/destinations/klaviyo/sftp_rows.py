"""Members as rows of a file: RFC 4180, UTF-8, values as they are.

Nothing is put before cells that a spreadsheet would take for a formula: Klaviyo reads the file, and every phone number
starts with a plus.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from audience_assets.destinations.base import Issue, Member, Outcome, Status
from audience_assets.destinations.identifiers import Refused, normal_email, normal_phone
from audience_assets.destinations.klaviyo.attributes import Unfit
from audience_assets.destinations.klaviyo.sftp_owners import Owners
from audience_assets.destinations.klaviyo.sftp_settings import SftpSettings
from audience_assets.destinations.values import in_utc

EMAIL, PHONE, EXTERNAL_ID, LIST = "email", "phone", "external_id", "list"
# In this order Klaviyo looks for the profile of a row.
IDENTIFIERS = (EMAIL, PHONE, EXTERNAL_ID)
LONGEST_EXTERNAL_ID = 255


@dataclass(frozen=True)
class Rows:
    """How members of one activation are written. `identifiers` and `attributes` are the mapped ones."""

    settings: SftpSettings
    identifiers: Sequence[str]
    attributes: Sequence[str]
    default_region: str | None
    owners: Owners

    def header(self, list_id: str | None) -> bytes:
        names = [*self.identifiers, *([LIST] if list_id is not None else []), *self.attributes]
        return _line([self.settings.header(name) for name in names])

    def encoded(self, members: Iterable[Member], list_id: str | None) -> tuple[list[bytes], list[Outcome]]:
        """A line for each member who has an identifier, and what is to be told of members who lack some."""
        lines: list[bytes] = []
        outcomes: list[Outcome] = []
        read = [(member, *self._usable(member)) for member in members]
        faults = self.owners.faults([usable for _, usable, _ in read])
        for (member, usable, issues), left_out in zip(read, faults, strict=True):
            for kind, reason in left_out.items():
                del usable[kind]
                issues.append(Issue(reason, "somebody else has it: it would find their profile", channel=kind))
            if usable:
                cells = [usable.get(kind, "") for kind in self.identifiers]
                cells += [list_id] if list_id is not None else []
                lines.append(_line(cells + [self._attribute(member, name, issues) for name in self.attributes]))
            if issues:
                status = Status.ACCEPTED if usable else Status.REJECTED
                outcomes.append(Outcome(member.identifier, status, issues=issues))
        return lines, outcomes

    @staticmethod
    def _attribute(member: Member, name: str, issues: list[Issue]) -> str:
        """The attribute's cell; an empty one, and an issue, if there is no text for the value."""
        try:
            return cell(member.values.get(name))
        except Unfit as fault:
            issues.append(Issue("unusable_value", str(fault), channel=name))
            return ""

    def _usable(self, member: Member) -> tuple[dict[str, str], list[Issue]]:
        """Identifiers that can be sent; an issue for each that is there and can't."""
        usable, issues = {}, []
        for kind in self.identifiers:
            found = self._identifier(kind, member)
            if isinstance(found, Refused):
                issues.append(Issue(found.reason, found.detail, channel=kind))
            elif found:
                usable[kind] = found
        if not usable and not issues:
            issues.append(Issue("no_identifier", "there is neither e-mail address, phone number nor external id"))
        return usable, issues

    def _identifier(self, kind: str, member: Member) -> str | Refused:
        raw = member.values.get(kind)
        text = "" if raw is None else str(raw).strip()
        if not text:
            return ""
        if kind == EMAIL:
            return normal_email(text)
        if kind == PHONE:
            return normal_phone(text, member.values.get("region") or self.default_region)
        if len(text) > LONGEST_EXTERNAL_ID:
            return Refused("external_id_too_long", f"it has more than {LONGEST_EXTERNAL_ID} characters")
        return text


def cell(value: Any) -> str:
    """A warehouse value as text: moments in UTC, decimals without exponents, lists and objects as JSON; nothing is "".

    Unfit, if there is no such text.

    >>> cell(Decimal("1E+3")), cell(True), cell(None)
    ('1000', 'true', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return in_utc(value).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise Unfit("it is no finite number")
        return f"{value:f}" if isinstance(value, Decimal) else str(value)
    try:
        return orjson.dumps(value, default=str).decode() if isinstance(value, list | dict | tuple) else str(value)
    except TypeError:
        raise Unfit("JSON has no form for it") from None


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()
