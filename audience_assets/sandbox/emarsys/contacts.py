"""The contacts of an account, found by internal id, uid or e-mail address, which several may share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from audience_assets.sandbox.emarsys.switches import EmarsysSwitches

EMAIL, OPT_IN = "3", "31"


@dataclass(slots=True)
class Contact:
    """Fields by number: "3" is the e-mail address, "31" the opt-in ("1" true, "2" false)."""

    id: int
    uid: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def email(self) -> str | None:
        return self.fields.get(EMAIL)


class Contacts:
    """Everybody, oldest first."""

    def __init__(self, switches: EmarsysSwitches) -> None:
        self._switches = switches
        self._by_id: dict[int, Contact] = {}
        self._by_uid: dict[str, int] = {}
        # By folded address; exact spellings are compared where the switch says so.
        self._by_email: dict[str, list[int]] = {}
        self._next = 101

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._by_id.values())

    def create(self, fields: dict[str, str]) -> Contact:
        contact = Contact(self._next, f"u{self._next:x}", fields)
        self._next += 1
        self._by_id[contact.id] = contact
        self._by_uid[contact.uid] = contact.id
        if contact.email:
            self._by_email.setdefault(contact.email.lower(), []).append(contact.id)
        return contact

    def delete(self, contact: Contact) -> None:
        del self._by_id[contact.id], self._by_uid[contact.uid]
        if contact.email:
            self._by_email[contact.email.lower()].remove(contact.id)

    def by_id(self, number: int) -> Contact | None:
        return self._by_id.get(number)

    def sharing(self, email: str) -> list[Contact]:
        """Everybody with the address, in any case."""
        return [self._by_id[each] for each in self._by_email.get(email.lower(), [])]

    def find(self, key: str, value: str) -> list[Contact]:
        """Everybody with the value; `key` is "id", "uid" or "3"."""
        if key == EMAIL:
            folds = self._switches.emails_fold_case
            return [each for each in self.sharing(value.strip()) if folds or each.email == value]
        number = int(value) if key == "id" and value.isdigit() else self._by_uid.get(value)
        found = self._by_id.get(number) if number is not None else None
        return [found] if found else []
