"""An account's contacts: compact, unique by e-mail address and mobile number, in order of their ids."""

from __future__ import annotations

from collections.abc import Iterator

FIRST_ID = 35_212_311
SUBSCRIBED, UNSUBSCRIBED, SUPPRESSED, NO_SUBSCRIPTION = "subscribed", "unsubscribed", "suppressed", "noSubscription"


class Contact:
    """One person. A million must fit. Times: seconds since 1970. `binned`: in the recycle bin."""

    __slots__ = ("binned", "created", "email", "email_status", "id", "mobile", "sms_status", "updated")

    def __init__(self, contact_id: int, email: str | None, mobile: str | None, now: float) -> None:
        self.id = contact_id
        self.email = email
        self.mobile = mobile
        self.created = now
        self.updated = now
        # A new contact is subscribed by e-mail; texts depend on the account's settings, and here wait for consent.
        self.email_status = SUBSCRIBED if email else NO_SUBSCRIPTION
        self.sms_status = NO_SUBSCRIPTION
        self.binned = False

    @property
    def status(self) -> str:
        """Of the contact as a whole."""
        if self.binned:
            return "binned"
        every = (self.email_status if self.email else None, self.sms_status if self.mobile else None)
        for status in (SUBSCRIBED, UNSUBSCRIBED, NO_SUBSCRIPTION):
            if status in every:
                return status
        return SUPPRESSED


class Contacts:
    """All contacts, found by id, address or number."""

    def __init__(self) -> None:
        self._all: list[Contact] = []
        self._emails: dict[str, Contact] = {}
        self._mobiles: dict[str, Contact] = {}
        # Ids, the latest modified last.
        self._by_change: dict[int, None] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Contact]:
        return (contact for contact in self._all if not contact.binned)

    def by_id(self, contact_id: int) -> Contact | None:
        position = contact_id - FIRST_ID
        return self._all[position] if 0 <= position < len(self._all) else None

    def find(self, identifier: str, value: str | int) -> Contact | None:
        """By contactId, email or mobileNumber; those in the recycle bin as well."""
        if identifier == "contactId":
            text = str(value)
            return self.by_id(int(text)) if text.isascii() and text.isdigit() else None
        if identifier == "email":
            return self._emails.get(str(value).lower())
        return self._mobiles.get(str(value))

    def create(self, email: str | None, mobile: str | None, now: float) -> Contact:
        made = Contact(FIRST_ID + len(self._all), email, mobile, now)
        self._all.append(made)
        self.identify(made, email, mobile)
        self.touch(made, now)
        return made

    def identify(self, contact: Contact, email: str | None, mobile: str | None) -> None:
        """Give identifiers that nobody else has."""
        if email:
            if contact.email:
                self._emails.pop(contact.email.lower(), None)
            contact.email = email
            self._emails[email.lower()] = contact
        if mobile:
            if contact.mobile:
                self._mobiles.pop(contact.mobile, None)
            contact.mobile = mobile
            self._mobiles[mobile] = contact

    def touch(self, contact: Contact, now: float) -> None:
        contact.updated = now
        self._by_change.pop(contact.id, None)
        self._by_change[contact.id] = None

    def modified_since(self, moment: float) -> list[int]:
        """Ids in order."""
        found = []
        for contact_id in reversed(self._by_change):
            contact = self._all[contact_id - FIRST_ID]
            if contact.updated < moment:
                break
            found.append(contact_id)
        return sorted(found)

    def ids(self) -> range:
        return range(FIRST_ID, FIRST_ID + len(self._all))
