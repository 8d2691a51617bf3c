"""An account's profiles: compact, unique by e-mail, phone and external id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from audience_assets.sandbox.klaviyo.consents import Permissions

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_PREFIX = "01KWFX4MZP"
ID_SHIFTS = range(75, -1, -5)
ID_FACTOR = 0x9E37_79B9_7F4A_7C15_F39D
ID_INVERSE = pow(ID_FACTOR, -1, 1 << 80)
DIGITS = {letter: value for value, letter in enumerate(ALPHABET)}

IDENTIFIERS = ("email", "phone_number", "external_id")


def id_of(number: int) -> str:
    """A profile's id from its ordinal number: 26 letters like Klaviyo's, so that no index of ids is needed."""
    scattered = (number + 1) * ID_FACTOR % (1 << 80)
    return ID_PREFIX + "".join([ALPHABET[scattered >> shift & 31] for shift in ID_SHIFTS])


def number_of(profile_id: str) -> int | None:
    """The reverse of `id_of`; None for a text that is no id."""
    if len(profile_id) != 26 or not profile_id.startswith(ID_PREFIX):
        return None
    scattered = 0
    for letter in profile_id[10:]:
        digit = DIGITS.get(letter)
        if digit is None:
            return None
        scattered = scattered << 5 | digit
    return scattered * ID_INVERSE % (1 << 80) - 1


class Profile:
    """One contact. A million must fit, so all that most lack is made when needed. Times: seconds since 1970."""

    __slots__ = ("attributes", "created", "email", "external_id", "number", "permissions", "phone_number", "updated")

    def __init__(self, number: int, created: float) -> None:
        self.number = number
        self.created = created
        self.updated = created
        self.email: str | None = None
        self.phone_number: str | None = None
        self.external_id: str | None = None
        self.attributes: dict[str, Any] | None = None
        self.permissions: Permissions | None = None

    @property
    def id(self) -> str:
        return id_of(self.number)

    def ensure_permissions(self) -> Permissions:
        if self.permissions is None:
            self.permissions = Permissions()
        return self.permissions


class Profiles:
    """All profiles of one account, in order of creation, with an index for each identifier."""

    def __init__(self) -> None:
        self._all: list[Profile | None] = []
        self._indexes: dict[str, dict[str, Profile]] = {name: {} for name in IDENTIFIERS}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Profile]:
        return (profile for profile in self._all if profile is not None)

    @property
    def next_number(self) -> int:
        """One above the highest number in use."""
        return len(self._all)

    def by_number(self, number: int) -> Profile | None:
        return self._all[number] if 0 <= number < len(self._all) else None

    def by_id(self, profile_id: str) -> Profile | None:
        number = number_of(profile_id)
        return None if number is None else self.by_number(number)

    def find(self, identifier: str, value: str) -> Profile | None:
        """By "email", "phone_number" or "external_id". Capitals of an e-mail do not matter."""
        return self._indexes[identifier].get(_key(identifier, value))

    def create(self, now: float) -> Profile:
        profile = Profile(len(self._all), now)
        self._all.append(profile)
        self._count += 1
        return profile

    def identify(self, profile: Profile, identifier: str, value: str | None) -> bool:
        """Set an identifier; False, and nothing done, when another profile has it."""
        index = self._indexes[identifier]
        key = None if value is None else _key(identifier, value)
        owner = None if key is None else index.get(key)
        if owner is not None and owner is not profile:
            return False
        old: str | None = getattr(profile, identifier)
        if old is not None:
            index.pop(_key(identifier, old), None)
        setattr(profile, identifier, value)
        if key is not None:
            index[key] = profile
        return True

    def remove(self, profile: Profile) -> None:
        for identifier in IDENTIFIERS:
            self.identify(profile, identifier, None)
        self._all[profile.number] = None
        self._count -= 1


def _key(identifier: str, value: str) -> str:
    if identifier != "email":
        return value
    folded = value.lower()
    # One text object serves profile and index when it is in lower case already.
    return value if folded == value else folded
