"""Who calls: bearer tokens for v3, X-WSSE for v2, and the permissions of each.

https://dev.emarsys.com/docs/core-api-reference: "Authentication", "Endpoint permission settings"
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime

import orjson

from audience_assets.sandbox.emarsys.account import EmarsysAccount
from audience_assets.sandbox.emarsys.answers import Refusal
from audience_assets.sandbox.messages import Request, Response

ALL_PERMISSIONS = frozenset(
    {
        "contactlist.list",
        "contactlist.create",
        "contactlist.rename",
        "contactlist.delete",
        "contactlist.replace",
        "contactlist.contact.add",
        "contactlist.contact.delete",
        "contactlist.contact.count",
        "contactlist.contact.ids",
        "contact.contactid.verify",
        "contact.getdata",
        "contact.list",
        "field.get",
        "field.list",
        "customer.settings",
    }
)
CLOCK_WINDOW_SECONDS = 300
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(slots=True)
class Credential:
    """An API user (v2) or an OAuth 2.0 client (v3). Its permissions can be changed while calls go on."""

    name: str
    secret: str
    account: EmarsysAccount
    permissions: frozenset[str]
    version: str


class Credentials:
    """Everybody who may call, and the tokens given out."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Credential] = {}
        self._tokens: dict[str, tuple[Credential, float]] = {}
        self._lock = threading.Lock()

    def add(self, credential: Credential) -> None:
        self._known[credential.version, credential.name] = credential

    def find(self, name: str) -> Credential:
        """KeyError: nobody of that name."""
        return self._known.get(("v3", name)) or self._known["v2", name]

    def revoke_tokens(self) -> None:
        """As if every token had ended."""
        with self._lock:
            self._tokens.clear()

    def token(self, request: Request, now: float, seconds: int) -> Response:
        """`POST /oauth2/token`: client credentials, by Basic alone."""
        form = dict(each.partition(b"=")[::2] for each in request.body.split(b"&"))
        content_type = request.headers.get("content-type", "").partition(";")[0]
        if content_type != "application/x-www-form-urlencoded" or form.get(b"grant_type") != b"client_credentials":
            return Response(400, orjson.dumps({"error": "unsupported_grant_type"}))
        credential = self._known.get(("v3", _basic_user(request)[0]))
        if credential is None or credential.secret != _basic_user(request)[1]:
            return Response(401, orjson.dumps({"error": "invalid_client"}))
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = (credential, now + seconds)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": seconds}
        return Response(200, orjson.dumps(answer), account=credential.account.name)

    def authenticate(self, request: Request, version: str, now: float) -> Credential:
        """Whose call it is; 401 otherwise. Tokens are for v3 alone, signatures for v2."""
        return self._bearer(request, now) if version == "v3" else self._signed(request, now)

    def _bearer(self, request: Request, now: float) -> Credential:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        found = self._tokens.get(token) if scheme == "Bearer" else None
        if found is None or now >= found[1]:
            raise unauthorized()
        return found[0]

    def _signed(self, request: Request, now: float) -> Credential:
        given = {name.lower(): value for name, value in _ATTRIBUTE.findall(request.headers.get("x-wsse", ""))}
        credential = self._known.get(("v2", given.get("username", "")))
        nonce, created = given.get("nonce", ""), given.get("created", "")
        if credential is None or not nonce or not created:
            raise unauthorized()
        hexadecimal = hashlib.sha1(f"{nonce}{created}{credential.secret}".encode(), usedforsecurity=False).hexdigest()
        if base64.b64encode(hexadecimal.encode()).decode() != given.get("passworddigest"):
            raise unauthorized()
        try:
            moment = datetime.fromisoformat(created)
        except ValueError:
            raise unauthorized() from None
        if moment.tzinfo is None or abs(moment.timestamp() - now) > CLOCK_WINDOW_SECONDS:
            raise unauthorized(" Time frame is invalid")
        return credential


def unauthorized(detail: str = "") -> Refusal:
    return Refusal(401, 1, f"Unauthorized{detail}")


def _basic_user(request: Request) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, secret) if scheme == "Basic" else ("", "")
