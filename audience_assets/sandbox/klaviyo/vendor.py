"""The Klaviyo twin: credentials, revisions, limits, then the operation."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import orjson

from audience_assets.sandbox.clock import Clock, RealClock
from audience_assets.sandbox.klaviyo import commands, query, revisions, views
from audience_assets.sandbox.klaviyo.account import ALL_SCOPES, AccountSettings, KlaviyoAccount
from audience_assets.sandbox.klaviyo.call import Call, Operation
from audience_assets.sandbox.klaviyo.errors import Refusal, error, refusal
from audience_assets.sandbox.klaviyo.routes import Routes
from audience_assets.sandbox.klaviyo.switches import KlaviyoSwitches
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.vendor import View, Wire
from audience_assets.sandbox.windows import Verdict, Window, Windows

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.sftp_server import SftpServer

MEDIA_TYPE = "application/vnd.api+json"
ACCEPTED = frozenset({MEDIA_TYPE, "application/json"})
LIMITS_PAGE = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


class KlaviyoSandbox:
    """Any number of Klaviyo accounts. With `rate_limits=False` the windows are shown but never refuse.

    With `sftp_port` there is an SFTP host, too, `sftp` while the sandbox is open; 0 takes a free port.
    """

    name = "klaviyo"
    title = "Klaviyo"

    def __init__(
        self, *, rate_limits: bool = True, switches: KlaviyoSwitches | None = None, sftp_port: int | None = None
    ) -> None:
        self.clock: Clock = RealClock()
        self.rate_limits = rate_limits
        self.switches = switches or KlaviyoSwitches()
        self.accounts: dict[str, KlaviyoAccount] = {}
        self._keys: dict[str, tuple[KlaviyoAccount, frozenset[str]]] = {}
        self._routes = Routes()
        self._windows = Windows()
        self._sftp_users: dict[str, tuple[KlaviyoAccount, set[bytes]]] = {}
        self._sftp_port = sftp_port
        self.sftp: SftpServer | None = None

    def account(
        self,
        name: str = "demo",
        *,
        key: str | None = None,
        scopes: Iterable[str] = ALL_SCOPES,
        settings: AccountSettings | None = None,
    ) -> KlaviyoAccount:
        """The account of that name, made when new; `key` becomes one of its private keys."""
        if name not in self.accounts:
            self.accounts[name] = KlaviyoAccount(name, settings or AccountSettings(), self.switches, self._now)
        found = self.accounts[name]
        if settings is not None:
            found.settings = settings
        if key is not None:
            self._keys[key] = (found, frozenset(scopes))
        return found

    def sftp_user(self, name: str, account: str, *public_keys: str) -> None:
        """Who has the key to one of these (`ssh-ed25519 AAAA...`) comes in under the name, to the account's files."""
        self._sftp_users[name] = (self.account(account), {base64.b64decode(key.split()[1]) for key in public_keys})

    def listen(self, wire: Wire) -> None:
        if self._sftp_port is not None:
            # Imported for those who want it: the SSH library takes a fifth of a second.
            from audience_assets.sandbox.klaviyo.sftp_server import SftpServer  # noqa: PLC0415

            self.sftp = SftpServer(self._sftp_users, wire, port=self._sftp_port)

    def hang_up(self) -> None:
        if self.sftp is not None:
            self.sftp.stop()
        for account in self.accounts.values():
            account.sftp_files.clear()

    def _now(self) -> float:
        # The sandbox may hand in its own clock after accounts were made.
        return self.clock.now()

    def endpoint(self, request: Request) -> str:
        found = self._routes.find(request.path)
        operation = found[0].get(request.method) if found else None
        return operation.name if operation else ""

    def handle(self, request: Request) -> Response:
        """Answer a call: credentials, revision, limits, scope, route, media type, size, then the body."""
        account: KlaviyoAccount | None = None
        headers = {"Content-Type": MEDIA_TYPE, "x-klaviyo-req-id": request.id}
        try:
            account, scopes = self._authenticate(request)
            headers["cid"] = account.id
            opt_out = request.headers.get("x-klaviyo-revision-fall-forward-opt-out") == "1"
            revision = revisions.resolve(request.headers.get("revision"), may_fall_forward=not opt_out)
            headers["x-klaviyo-api-revision"] = revision
            response = self._operate(request, account, scopes, revision, headers)
        except Refusal as refused:
            response = _refused(refused)
        response.headers = headers | response.headers
        if not response.body:
            response.headers.pop("Content-Type", None)
        response.account = account.name if account else ""
        return response

    def refuse(self, status: int, retry_after: int | None) -> Response:
        if status == 429:
            return _throttled(retry_after)
        response = _refused(refusal(status))
        response.headers["Content-Type"] = MEDIA_TYPE
        return response

    def command(self, name: str, arguments: dict[str, Any]) -> Any:
        return commands.run(self, name, arguments)

    def view(self, path: str, parameters: dict[str, str]) -> View | None:
        return views.show(self, path, parameters)

    def _authenticate(self, request: Request) -> tuple[KlaviyoAccount, frozenset[str]]:
        credentials = request.headers.get("authorization")
        if credentials is None:
            detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
            raise refusal(401, detail, code="not_authenticated")
        scheme, _, key = credentials.partition(" ")
        found = self._keys.get(key) if scheme in ("Klaviyo-API-Key", "Bearer") else None
        if found is None:
            raise refusal(401)
        return found

    def _operate(
        self,
        request: Request,
        account: KlaviyoAccount,
        scopes: frozenset[str],
        revision: str,
        headers: dict[str, str],
    ) -> Response:
        found = self._routes.find(request.path)
        if found is None:
            raise refusal(404, "The requested resource could not be found.")
        methods, ids = found
        headers["allow"] = ", ".join([*sorted(methods), "HEAD", "OPTIONS"])
        operation = methods.get(request.method)
        if operation is None:
            raise refusal(405, f'Method "{request.method}" not allowed.')
        verdict, limits = self._limit(request, account, operation)
        if not verdict.allowed:
            return _throttled(verdict.retry_after)
        headers |= _limit_headers(verdict, limits)
        missing = sorted(operation.scopes - scopes)
        if missing:
            raise refusal(403, f"The API key is missing the scope {missing[0]}.")
        body = _body(request, operation)
        if len(request.query_string) > account.switches.max_url_bytes:
            raise refusal(414)
        asked = query.parse(request.query(), operation.query, account.switches)
        with account.lock:
            call = Call(account, request, account.settle(), revision, ids, asked, body)
            return operation.handler(call)

    def _limit(
        self, request: Request, account: KlaviyoAccount, operation: Operation
    ) -> tuple[Verdict, tuple[Window, ...]]:
        name, limits = operation.name, operation.limits
        for variant, stricter in operation.variants.items():
            if variant in request.query_string:
                name, limits = f"{name}+{variant}", stricter
        if not self.rate_limits:
            return Verdict(True, limits[0].calls - 1, 0.0), limits
        return self._windows.take(f"{account.id}/{name}", limits, self.clock.now()), limits


def _body(request: Request, operation: Operation) -> Any:
    """The parsed body of a writing call."""
    if request.method not in ("POST", "PATCH") and not (request.method == "DELETE" and request.body):
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in ACCEPTED:
        raise refusal(415, f'Unsupported media type "{media_type}" in request.')
    if operation.max_body is not None and len(request.body) > operation.max_body:
        raise refusal(413, f"The request body must not exceed {operation.max_body:,} bytes.")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise refusal(400, "The request body is not valid JSON.", pointer="/data") from None


def _limit_headers(verdict: Verdict, limits: tuple[Window, ...]) -> dict[str, str]:
    windows = ", ".join(f"{window.calls};w={window.seconds}" for window in limits)
    return {
        "ratelimit-limit": f"{limits[0].calls}, {windows}",
        "ratelimit-remaining": str(verdict.remaining),
        "ratelimit-reset": str(int(verdict.reset)),
    }


def _refused(refused: Refusal) -> Response:
    return Response(refused.status, orjson.dumps({"errors": refused.errors}))


def _throttled(retry_after: int | None) -> Response:
    """A 429. `retry_after` None leaves the header out, as was seen once."""
    seconds = retry_after or 0
    detail = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    refused = error(429, detail, pointer="/data")
    refused["links"] = {"type": LIMITS_PAGE}
    headers = {"Content-Type": MEDIA_TYPE}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return Response(429, orjson.dumps({"errors": [refused]}), headers)
