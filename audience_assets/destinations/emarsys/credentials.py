"""Who calls: a bearer token that all of a process share, or a signature of each request.

https://dev.emarsys.com/docs/core-api-reference: "Authentication"
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audience_assets.destinations.base import (
    DestinationError,
    Endpoint,
    Limiter,
    Misconfigured,
    Unauthorized,
    Unavailable,
)
from audience_assets.destinations.emarsys.endpoints import TOKEN
from audience_assets.destinations.emarsys.envelope import is_page, number
from audience_assets.destinations.emarsys.errors import WINDOW_SECONDS, server_time
from audience_assets.destinations.emarsys.settings import EmarsysSettings
from audience_assets.destinations.http import Answer, Credentials, Dialect, HttpClient, Patience

LIFETIME_SECONDS = 3600
# Before its end a token is given up this early, or at half of a short life.
EARLY_SECONDS = 60
# Emarsys takes signatures of five minutes around its own clock.
NOTEWORTHY_SKEW_SECONDS = 60.0


@dataclass(slots=True)
class _Shelf:
    """The token of one pair of credentials, for every service of this process."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: str | None = field(default=None, repr=False)
    renew_at: datetime | None = None


_shelves: defaultdict[str, _Shelf] = defaultdict(_Shelf)
_shelves_lock = threading.Lock()


class BearerTokens:
    """OAuth 2.0 client credentials. One thread fetches a token, the others wait for it."""

    def __init__(self, settings: EmarsysSettings, limiter: Limiter, now: Callable[[], datetime]) -> None:
        assert settings.client_id is not None and settings.client_secret is not None  # noqa: S101
        pair = f"{settings.client_id}:{settings.client_secret.get_secret_value()}".encode()
        self._now = now
        self._http = HttpClient(
            settings.token_url,
            headers={
                "Authorization": f"Basic {base64.b64encode(pair).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            dialect=_TOKEN_DIALECT,
            limiter=limiter,
            # The call that needs the token is patient already.
            patience=Patience(tries=1, timeout=settings.timeout_seconds),
        )
        key = hashlib.sha256(settings.token_url.encode() + b"\n" + pair).hexdigest()
        with _shelves_lock:
            self._shelf = _shelves[key]

    def headers(self) -> Mapping[str, str]:
        """With a token that lasts; a new one is fetched before the old one ends."""
        shelf = self._shelf
        with shelf.lock:
            if shelf.token is None or shelf.renew_at is None or self._now() >= shelf.renew_at:
                shelf.token, lifetime = self._fetch()
                shelf.renew_at = self._now() + timedelta(seconds=lifetime - min(EARLY_SECONDS, lifetime / 2))
            return {"Authorization": f"Bearer {shelf.token}"}

    def refused(self, headers: Mapping[str, str], answer: Answer) -> bool:  # noqa: ARG002
        """Drop the token, unless another thread has a newer one by now."""
        with self._shelf.lock:
            if headers["Authorization"] == f"Bearer {self._shelf.token}":
                self._shelf.token = None
        return True

    def _fetch(self) -> tuple[str, float]:
        found = self._http.call(TOKEN, "POST", "", body=b"grant_type=client_credentials").json()
        token = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(token, str) or not token:
            raise Misconfigured("The token URL answers without an access token: is token_url right?")
        return token, number(found.get("expires_in")) or LIFETIME_SECONDS


class Signatures:
    """X-WSSE of API v2: every request is signed with the time and a number used once."""

    def __init__(self, settings: EmarsysSettings, now: Callable[[], datetime]) -> None:
        assert settings.username is not None and settings.user_secret is not None  # noqa: S101
        self._username = settings.username
        self._secret = settings.user_secret
        self._now = now
        self._skew = timedelta(0)

    def headers(self) -> Mapping[str, str]:
        created = (self._now() + self._skew).strftime("%Y-%m-%dT%H:%M:%SZ")
        nonce = secrets.token_hex(16)
        digest = password_digest(nonce, created, self._secret.get_secret_value())
        token = f'Username="{self._username}", PasswordDigest="{digest}", Nonce="{nonce}", Created="{created}"'
        return {"X-WSSE": f"UsernameToken {token}"}

    def refused(self, headers: Mapping[str, str], answer: Answer) -> bool:  # noqa: ARG002
        """Whether our clock is to blame; then the next signature keeps to Emarsys' clock."""
        ours = self._now().timestamp()
        skew = timedelta(seconds=server_time(answer, ours) - ours)
        changed = abs((skew - self._skew).total_seconds()) > NOTEWORTHY_SKEW_SECONDS
        if changed:
            self._skew = skew
        return changed


def password_digest(nonce: str, created: str, secret: str) -> str:
    """Base64 of the hexadecimal text of the SHA-1; others' WSSE encodes the bytes, which Emarsys refuses."""
    hexadecimal = hashlib.sha1(f"{nonce}{created}{secret}".encode(), usedforsecurity=False).hexdigest()
    return base64.b64encode(hexadecimal.encode()).decode()


def credentials_of(settings: EmarsysSettings, limiter: Limiter, now: Callable[[], datetime]) -> Credentials:
    """What the settings' pair is used by."""
    return BearerTokens(settings, limiter, now) if settings.version == "v3" else Signatures(settings, now)


def _explain(answer: Answer, endpoint: Endpoint) -> DestinationError:
    if is_page(answer):
        return Unavailable("A proxy before Emarsys turned the request for a token away.", status=answer.status)
    if answer.status in (400, 401, 403):
        return Unauthorized("Emarsys does not accept client_id and client_secret.", status=answer.status)
    return Misconfigured(f"There is no {endpoint.name!r} to be had: is token_url right?", status=answer.status)


_TOKEN_DIALECT = Dialect(vendor="Emarsys", request_id_header="", explain=_explain, wait_hint=lambda _: WINDOW_SECONDS)
