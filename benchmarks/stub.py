"""A vendor that answers every request at once, or after a while: what delivery costs without a vendor's own time."""

from __future__ import annotations

import multiprocessing
import socketserver
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from multiprocessing.connection import Connection
from typing import Any


class _Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    latency = 0.0

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        if self.latency:
            time.sleep(self.latency)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64


def _serve(latency: float, ready: Connection) -> None:
    _Stub.latency = latency
    with _Server(("127.0.0.1", 0), _Stub) as server:
        ready.send(server.server_address[1])
        server.serve_forever()


@contextmanager
def stub(latency: float) -> Iterator[str]:
    """Its address. It runs in a process of its own, so that its CPU is not ours."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(latency, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


if __name__ == "__main__":
    sys.exit("this is a part of benchmarks.delivery")
