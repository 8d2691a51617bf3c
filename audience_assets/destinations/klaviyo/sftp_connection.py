"""An SFTP connection to Klaviyo: the host proves itself before anything is said of us.

Importing this module costs a fifth of a second (paramiko), so it is imported where a connection is made.
"""

from __future__ import annotations

import base64
import io
import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.ssh_exception import PasswordRequiredException

from audience_assets.destinations.base import Misconfigured, Unauthorized, Unavailable
from audience_assets.destinations.klaviyo.sftp_settings import FINGERPRINT, SftpSettings

CONNECT_SECONDS = 15.0
_KEY_CLASSES: tuple[type[paramiko.PKey], ...] = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
# At INFO it tells each connection, at DEBUG file names; its errors come to us as exceptions.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


class HostNotKnown(Misconfigured):
    """The host's key is not one that is expected; nothing was sent to it."""


@contextmanager
def connected(settings: SftpSettings, timeout: float) -> Iterator[paramiko.SFTPClient]:
    """A session for file operations, each at most `timeout` seconds.

    Raises Misconfigured (settings, host key), Unauthorized (user or key), Unavailable (the network).
    """
    key, expected = private_key(settings), _ExpectedHost(settings)
    line = _socket(settings)
    transport = paramiko.Transport(line)
    try:
        sftp = _session(transport, settings, key, expected, timeout)
        try:
            yield sftp
        finally:
            sftp.close()
    finally:
        transport.close()
        line.close()
        # Nothing of a connection outlives it.
        if transport.ident is not None:
            transport.join(CONNECT_SECONDS)


def _session(
    transport: paramiko.Transport, settings: SftpSettings, key: paramiko.PKey, expected: _ExpectedHost, timeout: float
) -> paramiko.SFTPClient:
    transport.banner_timeout = transport.auth_timeout = CONNECT_SECONDS
    options = transport.get_security_options()
    options.key_types = expected.preferred(options.key_types)
    try:
        transport.start_client(timeout=CONNECT_SECONDS)
        expected.check(transport.get_remote_server_key())
        transport.auth_publickey(settings.sftp_username or "", key)
        sftp = paramiko.SFTPClient.from_transport(transport)
    except paramiko.AuthenticationException:
        raise _not_accepted(settings, key) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unavailable(f"The SFTP host {_where(settings)} ended the connection ({type(error).__name__}).") from error
    if sftp is None:
        raise Unavailable(f"The SFTP host {_where(settings)} opened no session.")
    sftp.get_channel().settimeout(timeout)  # type: ignore[union-attr] # it has one, being open
    return sftp


def _socket(settings: SftpSettings) -> socket.socket:
    try:
        found = socket.create_connection((settings.sftp_host, settings.sftp_port), CONNECT_SECONDS)
    except OSError as error:
        raise Unavailable(
            f"The SFTP host {_where(settings)} can't be reached: {error.strerror or type(error).__name__}."
        ) from error
    return found


def _where(settings: SftpSettings) -> str:
    return f"{settings.sftp_host}:{settings.sftp_port}"


def _not_accepted(settings: SftpSettings, key: paramiko.PKey) -> Unauthorized:
    return Unauthorized(
        f"Klaviyo's SFTP host does not accept the user {settings.sftp_username!r} with this private key "
        f"({key.get_name()} {key.fingerprint}). Compare both with Integrations > Import via SFTP: the public key must "
        "be added there."
    )


def private_key(settings: SftpSettings) -> paramiko.PKey:
    """The key of the settings. Misconfigured without a word of what it holds."""
    if settings.sftp_username is None:
        raise Misconfigured("Imports by SFTP need sftp_username, the user that Klaviyo shows.")
    text, source = _key_text(settings)
    password = settings.sftp_passphrase.get_secret_value() if settings.sftp_passphrase else None
    for kind in _KEY_CLASSES:
        try:
            return kind.from_private_key(io.StringIO(text), password)
        except PasswordRequiredException:
            raise Misconfigured(f"{source} is encrypted: set sftp_passphrase.") from None
        except (paramiko.SSHException, ValueError, IndexError, UnicodeError):
            continue
    raise Misconfigured(
        f"{source} is no SSH private key that can be read (ed25519, ECDSA or RSA, OpenSSH or PEM), or its "
        "sftp_passphrase is wrong."
    )


def _key_text(settings: SftpSettings) -> tuple[str, str]:
    if settings.sftp_private_key is not None:
        text = settings.sftp_private_key.get_secret_value().strip()
        # Where a variable can hold one line only, line ends are written as \n.
        text = text if "\n" in text else text.replace("\\n", "\n")
        return f"{text}\n", "sftp_private_key"
    if settings.sftp_private_key_file is None:
        raise Misconfigured("Imports by SFTP need sftp_private_key, or sftp_private_key_file.")
    file = Path(settings.sftp_private_key_file).expanduser()
    try:
        return file.read_text(), f"The file {file}"
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise Misconfigured(f"The private key in {file} can't be read: {reason}.") from None


class _ExpectedHost:
    """Keys that the host may have: fingerprints of any type, or whole public keys."""

    def __init__(self, settings: SftpSettings) -> None:
        self._where = _where(settings)
        self._fingerprints = {each for each in settings.sftp_host_keys if each.startswith(FINGERPRINT)}
        self._keys = {_public_key(each) for each in settings.sftp_host_keys if not each.startswith(FINGERPRINT)}
        if settings.sftp_known_hosts is not None:
            self._keys |= _known_hosts(settings)

    def preferred(self, offered: Sequence[str]) -> tuple[str, ...]:
        """Types of key to ask for, those first that we know a whole key of."""
        kinds = {kind for kind, _ in self._keys}
        known = [each for each in offered if _family(each) in kinds]
        return (*known, *(each for each in offered if each not in known))

    def check(self, key: paramiko.PKey) -> None:
        """HostNotKnown unless the key is expected."""
        told = key.fingerprint
        if told in self._fingerprints or (key.get_name(), key.asbytes()) in self._keys:
            return
        if not self._fingerprints and not self._keys:
            why = "and no key of this host is configured, so nothing tells that it is Klaviyo"
        else:
            why = "which is none of those configured. Somebody may be listening in, or Klaviyo has changed its key"
        raise HostNotKnown(
            f"The SFTP host {self._where} shows the key {key.get_name()} {told}, {why}. Nothing was sent. Compare it "
            f"with what Klaviyo publishes; if it is right, write sftp_host_keys: [{told}]"
        )


def _family(algorithm: str) -> str:
    """The type of key behind a signature algorithm: an RSA key signs as rsa-sha2-512."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def _public_key(line: str) -> tuple[str, bytes]:
    kind, _, rest = line.partition(" ")
    try:
        return kind, base64.b64decode(rest.split(" ")[0], validate=True)
    except ValueError:
        raise Misconfigured(f"sftp_host_keys: the {kind} key is no public key as ssh-keyscan prints it.") from None


def _known_hosts(settings: SftpSettings) -> set[tuple[str, bytes]]:
    file = Path(str(settings.sftp_known_hosts)).expanduser()
    hosts = paramiko.HostKeys()
    try:
        hosts.load(str(file))
    except (OSError, paramiko.SSHException, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no file of known hosts"
        raise Misconfigured(f"sftp_known_hosts: {file} can't be read: {reason}.") from None
    port = settings.sftp_port
    name = settings.sftp_host if port == 22 else f"[{settings.sftp_host}]:{port}"
    return {(kind, key.asbytes()) for kind, key in (hosts.lookup(name) or {}).items()}
