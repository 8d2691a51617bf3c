"""A project's users, found by what its type makes unique."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

EMAIL, USER_ID, HYBRID = "email", "user_id", "hybrid"

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_USER_ID = re.compile(r"[ -~]{0,51}[!-~]")


def is_email(value: str) -> bool:
    return _EMAIL.fullmatch(value) is not None


def is_user_id(value: str) -> bool:
    """Printable ASCII, at most 52 characters, no blank at the end."""
    return _USER_ID.fullmatch(value) is not None


class User:
    """One profile. A million must fit, so what most lack is made when needed. Times: seconds since 1970."""

    __slots__ = ("created", "data", "email", "message_types", "number", "unsubscribed_channels", "updated", "user_id")

    def __init__(self, number: int, created: float) -> None:
        self.number = number
        self.created = created
        self.updated = created
        self.email: str | None = None
        self.user_id: str | None = None
        self.data: dict[str, Any] | None = None
        self.unsubscribed_channels: set[int] | None = None
        # unsubscribedMessageTypeIds and subscribedMessageTypeIds
        self.message_types: dict[str, list[int]] | None = None


class Users:
    """All users, in order of creation. In a userID project addresses may repeat, in an email project user ids may."""

    def __init__(self) -> None:
        self._all: list[User | None] = []
        self._by_email: dict[str, User] = {}
        self._by_user_id: dict[str, list[User]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[User]:
        return (user for user in self._all if user is not None)

    def by_number(self, number: int) -> User | None:
        return self._all[number]

    def by_email(self, email: str) -> User | None:
        """Capitals do not matter."""
        return self._by_email.get(email.strip().lower())

    def by_user_id(self, user_id: str) -> list[User]:
        return self._by_user_id.get(user_id, [])

    def create(self, now: float, email: str | None, user_id: str | None) -> User:
        user = User(len(self._all), now)
        self._all.append(user)
        self._count += 1
        self.identify(user, email, user_id)
        return user

    def identify(self, user: User, email: str | None, user_id: str | None) -> None:
        """Set what is given. Whoever had the address before is no longer found by it."""
        if email is not None:
            if user.email is not None:
                self._by_email.pop(user.email.lower(), None)
            user.email = email
            self._by_email[email.lower()] = user
        if user_id is not None and user_id != user.user_id:
            self._leave_id(user)
            user.user_id = user_id
            self._by_user_id.setdefault(user_id, []).append(user)

    def remove(self, user: User) -> None:
        if user.email is not None and self._by_email.get(user.email.lower()) is user:
            del self._by_email[user.email.lower()]
        self._leave_id(user)
        self._all[user.number] = None
        self._count -= 1

    def _leave_id(self, user: User) -> None:
        if user.user_id is not None:
            others = [each for each in self._by_user_id.get(user.user_id, []) if each is not user]
            if others:
                self._by_user_id[user.user_id] = others
            else:
                self._by_user_id.pop(user.user_id, None)
