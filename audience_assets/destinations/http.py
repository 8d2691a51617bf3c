"""HTTP to a vendor: one session a thread, the limiter before every try, patience with outages, typed errors.

Nothing here writes a body, a key or a URL to a log or an error: URLs hold identifiers.
"""

from __future__ import annotations

import itertools
import logging
import math
import random
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import backoff
import orjson
import requests
from urllib3.exceptions import NewConnectionError

from audience_assets import __version__
from audience_assets.destinations.base import (
    DestinationError,
    Endpoint,
    Limiter,
    Misconfigured,
    Throttled,
    Unavailable,
)

_log = logging.getLogger(__name__)

LONGEST_WAIT_SECONDS = 60.0
# A 429 may come without Retry-After or with 0.
SHORTEST_RETRY_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor said. Header names are matched in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The body; Unavailable if it is no JSON, which a cut or a proxy's page causes."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            damaged = len(self.content)
        raise Unavailable(f"The answer's {damaged} bytes are not JSON.", status=self.status)


def _http_status(answer: Answer) -> int:
    return answer.status


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a vendor words its refusals.

    `explain` turns an answer of 400 to 499, except 429, into the error to raise; an Unavailable is tried again.
    `wait_hint` reads the seconds to wait from a 429 without Retry-After. `status` is what an answer means, for vendors
    whose bodies say it and not the HTTP status.
    """

    vendor: str
    request_id_header: str
    explain: Callable[[Answer, Endpoint], DestinationError]
    wait_hint: Callable[[Answer], float | None]
    status: Callable[[Answer], int] = _http_status


class Credentials(Protocol):
    """What proves who calls where no fixed header does: a token that ends, a signature of each request."""

    def headers(self) -> Mapping[str, str]:
        """For the try that leaves now. A DestinationError if there are none to be had."""
        ...

    def refused(self, headers: Mapping[str, str], answer: Answer) -> bool:
        """The vendor answered 401 to these. Whether the call is worth one more try with new ones."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try: `tries` in all, waits growing from `first_wait` seconds, each try at most `timeout` seconds."""

    tries: int = 6
    first_wait: float = 0.5
    connect_timeout: float = 10.0
    timeout: float = 60.0

    def waits(self) -> Iterator[float]:
        """Seconds before the second try, the third, ..."""
        for failures in range(self.tries - 1):
            yield _pause(self.first_wait, failures)


class HttpClient:
    """Calls one vendor account. Safe to use on many threads."""

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        dialect: Dialect,
        limiter: Limiter,
        patience: Patience,
        credentials: Credentials | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        parts = urlsplit(self._base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"User-Agent": f"audience-assets/{__version__}", **headers}
        self._dialect = dialect
        self._limiter = limiter
        self._patience = patience
        self._credentials = credentials
        self._threads = threading.local()
        # At DEBUG urllib3 logs every URL, and ours hold addresses and phone numbers.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    @property
    def calls(self) -> int:
        """Requests the current thread has sent, repeats included."""
        return int(getattr(self._threads, "calls", 0))

    def call(self, endpoint: Endpoint, method: str, path: str, *, body: Any = None, repeatable: bool = True) -> Answer:
        """Send and return the answer, 2xx always. `path` includes the query; an absolute link is taken by its path.

        A body of bytes is sent as it is, any other as JSON.

        With `repeatable` false the request is not sent again once it may have been applied: Unavailable is raised
        at once, and the caller finds out what happened. Raises the errors of `destinations.base`.
        """
        content = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        request = self._prepare(method, self._url(path), content)

        def give_up(error: Exception) -> bool:
            if isinstance(error, Throttled):
                return error.status is None  # the limiter's own: it would be longer than anybody waits
            return not repeatable and not isinstance(error, _NotSent)

        @backoff.on_exception(
            _waits,
            (Throttled, Unavailable),
            max_tries=self._patience.tries,
            jitter=None,
            giveup=give_up,
            logger=None,
            on_backoff=self._tell(endpoint),
            first=self._patience.first_wait,
        )
        def patiently() -> Answer:
            return self._once(endpoint, request)

        return patiently()

    def _url(self, path: str) -> str:
        if "://" not in path:
            return f"{self._base_url}{path}"
        # The key goes to the configured origin only, whatever host a link names.
        parts = urlsplit(path)
        return f"{self._origin}{parts.path}?{parts.query}"

    def _prepare(self, method: str, url: str, content: bytes | None) -> requests.PreparedRequest:
        """Everything that can be done before the limiter lets the call go, so that it leaves when it was told to."""
        parts = urlsplit(url)
        prepared = self._session().prepare_request(
            requests.Request(method, f"{parts.scheme}://{parts.netloc}{parts.path}", data=content)
        )
        # Set as it is: requests would spell a long filter anew, byte by byte, and urllib3 does so again.
        prepared.url = url
        return prepared

    def _once(self, endpoint: Endpoint, request: requests.PreparedRequest) -> Answer:
        self._limiter.acquire(endpoint)
        answer = self._proven(endpoint, request)
        status = self._dialect.status(answer)
        if status < 300:
            return answer
        request_id = answer.headers.get(self._dialect.request_id_header)
        vendor = self._dialect.vendor
        if status == 429:
            seconds = self._wait_of(answer)
            self._limiter.hold(endpoint, seconds)
            raise Throttled(
                f"{vendor} takes no more calls of {endpoint.name!r} for {seconds:g} s.",
                retry_after=seconds,
                request_id=request_id,
            )
        if status >= 500:
            raise Unavailable(f"{vendor} failed at {endpoint.name!r}.", status=answer.status, request_id=request_id)
        if status < 400:
            message = f"{vendor} sends {endpoint.name!r} elsewhere, which is not followed: is the address right?"
            raise Misconfigured(message, status=status, request_id=request_id)
        raise self._dialect.explain(answer, endpoint)

    def _proven(self, endpoint: Endpoint, request: requests.PreparedRequest) -> Answer:
        """The answer to the request with credentials, newer ones if the first are not accepted (any more)."""
        if self._credentials is None:
            return self._exchange(endpoint, request)
        headers = self._proof(self._credentials)
        request.headers.update(headers)
        answer = self._exchange(endpoint, request)
        if answer.status == 401 and self._credentials.refused(headers, answer):
            self._limiter.acquire(endpoint)
            request.headers.update(self._proof(self._credentials))
            answer = self._exchange(endpoint, request)
        return answer

    def _proof(self, credentials: Credentials) -> Mapping[str, str]:
        try:
            return credentials.headers()
        except Unavailable as error:
            missing = str(error)
        raise _NotSent(missing)

    def _exchange(self, endpoint: Endpoint, request: requests.PreparedRequest) -> Answer:
        self._threads.calls = self.calls + 1
        try:
            response = self._session().send(
                request,
                timeout=(self._patience.connect_timeout, self._patience.timeout),
                # A redirect would carry the key elsewhere.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            kind, sent = type(error).__name__, not _never_left(error)
        else:
            return Answer(response.status_code, response.headers, response.content)
        # Raised outside the handler: the library's error holds the URL and would be kept as the context.
        where = urlsplit(request.url or "").netloc.rpartition("@")[2]
        message = f"{self._dialect.vendor} could not be reached at {where} for {endpoint.name!r} ({kind})."
        raise Unavailable(message) if sent else _NotSent(message)

    def _session(self) -> requests.Session:
        session = getattr(self._threads, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False  # no netrc over our key, and 7 % less CPU
            session.headers.update(self._headers)
            self._threads.session = session
        return session

    def _wait_of(self, answer: Answer) -> float:
        seconds = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        if seconds is None:
            seconds = self._dialect.wait_hint(answer)
        return max(seconds or 0.0, SHORTEST_RETRY_AFTER_SECONDS)

    def _tell(self, endpoint: Endpoint) -> Callable[[Mapping[str, Any]], None]:
        def tell(details: Mapping[str, Any]) -> None:
            _log.warning(
                "%s Try %d of %d of %r follows.",
                details["exception"],
                details["tries"] + 1,
                self._patience.tries,
                endpoint.name,
            )

        return tell


class _NotSent(Unavailable):
    """No connection came about, so the vendor has not seen the request."""


def _never_left(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _waits(first: float) -> Generator[float, Any, None]:
    """backoff's wait generator: it is sent the error and yields the seconds to wait.

    A throttled call does not wait here but in the limiter, where all processes see it.
    """
    error: Any = yield 0.0
    for failures in itertools.count():
        error = yield 0.0 if isinstance(error, Throttled) else _pause(first, failures)


def _pause(first: float, failures: int) -> float:
    return min(first * 2.0**failures, LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds from a Retry-After header: a number or an HTTP date (RFC 9110, 10.2.3). None if it is neither.

    >>> retry_after("30", datetime.now(UTC))
    30.0
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return seconds if math.isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None
