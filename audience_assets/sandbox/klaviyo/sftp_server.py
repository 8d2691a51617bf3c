"""Klaviyo's SFTP host on loopback: users come in by public key alone and see their account's files."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_SUCCEEDED,
)

from audience_assets.sandbox.klaviyo.sftp_keys import key_pair
from audience_assets.sandbox.klaviyo.sftp_session import serve
from audience_assets.sandbox.vendor import Wire

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

LONGEST_HANDSHAKE_SECONDS = 10.0

# User name -> the account, and the public keys that may come in.
Users = Mapping[str, tuple["KlaviyoAccount", set[bytes]]]


class SftpServer:
    """Listens from the time it is made until it is stopped, on a free port if the one that is wished for is taken."""

    def __init__(self, users: Users, wire: Wire, *, port: int = 0) -> None:
        # Broken connections are what it is for; nobody wants to read of them.
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        self.users = users
        self.host_key = key_pair("the sandbox's SFTP host")
        self._socket = _listening(port)
        self._lock = threading.Lock()
        self._transports: list[paramiko.Transport] = []
        self._threads: list[threading.Thread] = []
        self._open = True
        self._thread(self._accept, wire)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def stop(self) -> None:
        """Close every connection and wait for their threads."""
        self._open = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        while True:
            with self._lock:
                transports, self._transports = self._transports, []
                threads, self._threads = self._threads, []
            if not transports and not threads:
                return
            for transport in transports:
                transport.close()
                transport.join(LONGEST_HANDSHAKE_SECONDS)
            for thread in threads:
                thread.join(LONGEST_HANDSHAKE_SECONDS)

    def _thread(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="sftp-sandbox", daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads = [each for each in self._threads if each.is_alive()] + [thread]
            thread.start()

    def _accept(self, wire: Wire) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._thread(self._greet, connection, wire)

    def _greet(self, connection: socket.socket, wire: Wire) -> None:
        try:
            transport = paramiko.Transport(connection)
        except paramiko.SSHException:
            connection.close()
            return
        with self._lock:
            self._transports = [each for each in self._transports if each.is_alive()] + [transport]
        transport.add_server_key(self.host_key.key)
        transport.auth_timeout = LONGEST_HANDSHAKE_SECONDS
        serve(transport)
        try:
            transport.start_server(server=Visitor(transport, self.users, wire))
        except (paramiko.SSHException, OSError, EOFError):
            transport.close()


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=64)
    except OSError:
        return socket.create_server(("127.0.0.1", 0), backlog=64)


class Visitor(paramiko.ServerInterface):
    """Who is on the other end of a connection. `account` once they have come in."""

    def __init__(self, transport: paramiko.Transport, users: Users, wire: Wire) -> None:
        self._transport = transport
        self._users = users
        self.wire = wire
        self.account: KlaviyoAccount | None = None

    def cut(self) -> None:
        """End the connection as a broken line does."""
        self._transport.close()

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        account, keys = self._users.get(username, (None, set()))
        if account is None or key.asbytes() not in keys:
            return AUTH_FAILED
        self.account = account
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED if kind == "session" else OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
