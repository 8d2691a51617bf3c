"""One client connection: reads requests, sends answers, and breaks them when a fault says so."""

from __future__ import annotations

import socket
import struct
from abc import abstractmethod
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

from audience_assets.sandbox.messages import Response

MAX_BODY = 256 * 1024 * 1024


class Delivery(Enum):
    """What becomes of an answer on its way back."""

    WHOLE = auto()
    TRUNCATED = auto()
    RESET = auto()


class Connection(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive over one socket. The subclass answers."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    # Small answers must not wait for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 0
    phrases: ClassVar[dict[int, bytes]] = {
        int(status): f"HTTP/1.1 {int(status)} {phrase}\r\n".encode()
        for status, (phrase, _) in BaseHTTPRequestHandler.responses.items()
    }

    @abstractmethod
    def respond(self, body: bytes) -> tuple[Response, Delivery]: ...

    def answer(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(Response(411), Delivery.WHOLE)
            return
        response, delivery = self.respond(body)
        self._send(response, delivery)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    def handle(self) -> None:
        # A caller that was killed leaves a broken connection behind; that is its right.
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the request log is the record."""

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length")
        if length is None:
            return None if "Transfer-Encoding" in self.headers else b""
        if not length.isdigit() or int(length) > MAX_BODY:
            return None
        return self.rfile.read(int(length))

    def _send(self, response: Response, delivery: Delivery) -> None:
        if delivery is Delivery.RESET:
            self._reset()
            return
        head = [self.phrases.get(response.status, b"HTTP/1.1 %d Error\r\n" % response.status)]
        head += [f"{name}: {value}\r\n".encode("latin-1") for name, value in response.headers.items()]
        head.append(b"Content-Length: %d\r\n" % len(response.body))
        if self.close_connection:
            head.append(b"Connection: close\r\n")
        head.append(b"\r\n")
        body = b"" if self.command == "HEAD" else response.body
        message = b"".join(head) + body
        if delivery is Delivery.TRUNCATED:
            message = message[: len(message) - max(1, len(body) // 2)]
            self.close_connection = True
        self.connection.sendall(message)

    def _reset(self) -> None:
        """Close so that the caller sees "connection reset by peer", not an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
