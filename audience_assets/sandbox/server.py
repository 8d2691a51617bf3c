"""The sandbox: vendors' twins behind one HTTP server on loopback.

http://127.0.0.1:PORT/            the page
http://127.0.0.1:PORT/_sandbox/   commands for tests in other processes (control.py)
http://127.0.0.1:PORT/klaviyo/    a vendor, by its name
anything else                     the first vendor, so its client needs no prefix
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from audience_assets.sandbox.clock import Clock, RealClock
from audience_assets.sandbox.connection import Connection, Delivery
from audience_assets.sandbox.control import Control
from audience_assets.sandbox.faults import Action, Decision, Fault, Faults
from audience_assets.sandbox.log import LoggedRequest, RequestLog
from audience_assets.sandbox.messages import Request, Response
from audience_assets.sandbox.vendor import Listens, SandboxVendor, Wire

SECRET_HEADERS = frozenset({"authorization", "api-key", "api_key", "x-wsse", "cookie"})
CHALLENGE_PAGE = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"
BREAKS = {
    Action.RESET_BEFORE: Delivery.RESET,
    Action.RESET_AFTER: Delivery.RESET,
    Action.TRUNCATE: Delivery.TRUNCATED,
}


class Sandbox:
    """Serves the vendors while it is open. A vendor is reached as an attribute by its name.

        with Sandbox([KlaviyoSandbox()]) as sandbox:
            sandbox.klaviyo.account("demo", key="pk_demo")
            requests.get(sandbox.url + "/api/lists", ...)

    `latency` seconds are added to every vendor call. `port` 0 takes a free one.
    """

    def __init__(
        self,
        vendors: Sequence[SandboxVendor],
        *,
        clock: Clock | None = None,
        port: int = 0,
        latency: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.clock: Clock = clock or RealClock()
        self.vendors: dict[str, SandboxVendor] = {vendor.name: vendor for vendor in vendors}
        for vendor in vendors:
            vendor.clock = self.clock
        self.faults = Faults(seed)
        self.requests = RequestLog()
        self.latency = latency
        self._control = Control(self)
        self._numbers = itertools.count(1)
        self._server = _Server(("127.0.0.1", port), self)
        self._thread: threading.Thread | None = None

    def __getattr__(self, name: str) -> Any:
        vendors = self.__dict__.get("vendors", {})
        if name in vendors:
            return vendors[name]
        raise AttributeError(f"the sandbox has no vendor {name!r}")

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address without a slash at the end: the page, and the first vendor's base."""
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, vendor: str) -> str:
        """A vendor's own base address."""
        return f"{self.url}/{self.vendors[vendor].name}"

    def start(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox", daemon=True
        )
        self._thread.start()
        for vendor in self.vendors.values():
            if isinstance(vendor, Listens):
                vendor.listen(Wire(self.faults, self.requests))
        return self

    def stop(self) -> None:
        """Close every connection and wait for the server's threads."""
        for vendor in self.vendors.values():
            if isinstance(vendor, Listens):
                vendor.hang_up()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.close_connections()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[Response, Delivery]:
        """One call from the wire, faults and log included. Header names are lower case."""
        path, _, query = target.partition("?")
        if path == "/" or path.startswith("/_sandbox"):
            return self._control.answer(method, path, query, body), Delivery.WHOLE
        vendor, prefix = self._vendor_of(path)
        request = Request(
            method=method,
            path=path[len(prefix) :] or "/",
            query_string=query,
            headers=headers,
            body=body,
            base_url=f"http://{headers.get('host') or self.url[7:]}{prefix}",
            id=str(uuid.UUID(int=next(self._numbers), version=4)),
        )
        endpoint = vendor.endpoint(request)
        decision = self.faults.decide(endpoint)
        at, started = self.clock.now(), time.perf_counter()
        response, delivery = self._perform(vendor, request, decision)
        milliseconds = (time.perf_counter() - started) * 1000
        self.requests.record(
            LoggedRequest(
                number=0,
                at=at,
                vendor=vendor.name,
                account=response.account,
                endpoint=endpoint,
                method=request.method,
                path=path,
                query_string=query,
                status=0 if delivery is Delivery.RESET else response.status,
                milliseconds=milliseconds,
                rows=response.rows,
                fault=decision.failure.action.value if decision.failure else "",
                headers={name: v for name, v in headers.items() if name not in SECRET_HEADERS},
                body=body,
                answer=response.body,
            )
        )
        return response, delivery

    def _vendor_of(self, path: str) -> tuple[SandboxVendor, str]:
        name = path.split("/", 2)[1]
        if name in self.vendors:
            return self.vendors[name], f"/{name}"
        return next(iter(self.vendors.values())), ""

    def _perform(self, vendor: SandboxVendor, request: Request, decision: Decision) -> tuple[Response, Delivery]:
        if self.latency:
            time.sleep(self.latency)
        _delay(decision, request, Action.LATENCY_BEFORE, Action.HOOK_BEFORE)
        response, delivery = _respond(vendor, request, decision.failure)
        _delay(decision, request, Action.LATENCY_AFTER, Action.HOOK_AFTER)
        return response, delivery


def _respond(vendor: SandboxVendor, request: Request, fault: Fault | None) -> tuple[Response, Delivery]:
    if fault is None:
        return vendor.handle(request), Delivery.WHOLE
    delivery = BREAKS.get(fault.action, Delivery.WHOLE)
    if fault.action is Action.RESET_BEFORE:
        return Response(0), delivery
    if fault.action is Action.CHALLENGE:
        headers = {"Content-Type": "text/html; charset=UTF-8", "cf-mitigated": "challenge"}
        return Response(403, CHALLENGE_PAGE, headers), delivery
    if fault.action is Action.THROTTLE:
        return vendor.refuse(429, fault.retry_after), delivery
    if fault.action is Action.ERROR_BEFORE:
        return vendor.refuse(fault.status, None), delivery
    request.applied = fault.action is not Action.NOT_APPLIED
    response = vendor.handle(request)
    if fault.action is Action.ERROR_AFTER:
        return vendor.refuse(fault.status, None), delivery
    if fault.action is Action.REPLACE:
        kind = "text/html" if fault.content.startswith("<") else "application/json"
        return Response(fault.status, fault.content.encode(), {"Content-Type": kind}), delivery
    return response, delivery


def _delay(decision: Decision, request: Request, latency: Action, hook: Action) -> None:
    for fault in decision.delays:
        if fault.action is latency:
            time.sleep(fault.seconds)
        elif fault.action is hook and fault.hook is not None:
            fault.hook(request)


class _Call(Connection):
    """Hands each request of a connection to the sandbox."""

    server: _Server

    def respond(self, body: bytes) -> tuple[Response, Delivery]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return self.server.sandbox.answer(self.command, self.path, headers, body)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    # Threads are waited for when the server closes: nothing of a sandbox outlives it.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Call)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End the reads of idle keep-alive connections, whose threads then close them."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
