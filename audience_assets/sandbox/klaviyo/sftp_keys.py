"""Key pairs for SFTP, always the same from the same words, so that a project's settings hold for the next sandbox."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@dataclass(frozen=True)
class KeyPair:
    """`private` is what a file of a private key holds; `fingerprint` the public key's, as OpenSSH writes it."""

    private: str

    @property
    def key(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.private))

    @property
    def fingerprint(self) -> str:
        return str(self.key.fingerprint)

    @property
    def public(self) -> str:
        return f"{self.key.get_name()} {self.key.get_base64()}"


def key_pair(words: str) -> KeyPair:
    """An ed25519 pair made of words. Whoever knows them has the key: for the sandbox alone."""
    made = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(words.encode()).digest())
    return KeyPair(made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode())
