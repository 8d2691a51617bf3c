"""The Klaviyo twin as the command line serves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from audience_assets.sandbox.klaviyo.sftp_keys import key_pair
from audience_assets.sandbox.klaviyo.vendor import KlaviyoSandbox
from audience_assets.sandbox.served import ACCOUNT, Person, Served

# Another one if it is taken.
SFTP_PORT = 8722


def serve(key: str, rate_limits: bool) -> Served:
    vendor = KlaviyoSandbox(rate_limits=rate_limits, sftp_port=SFTP_PORT)
    account = vendor.account(ACCOUNT, key=key)
    pair = key_pair(f"who has {key}")
    vendor.sftp_user(ACCOUNT, ACCOUNT, pair.public)
    names = {"email": "email", "phone": "phone_number"}

    def seed(people: Iterable[Person]) -> int:
        return account.add_profiles({names[kind]: value for kind, value in person.items()} for person in people)

    def settings(url: str) -> Mapping[str, str]:
        host = vendor.sftp
        if host is None:  # the sandbox is not open
            return {"base_url": url}
        by_sftp = {
            "sftp_host": "127.0.0.1",
            "sftp_port": str(host.port),
            "sftp_host_keys": host.host_key.fingerprint,
            "sftp_username": ACCOUNT,
            # On one line, as a variable of the environment takes it; nothing of the sandbox is on the disk.
            "sftp_private_key": pair.private.strip().replace("\n", "\\n"),
        }
        return {"base_url": url, **by_sftp}

    return Served(vendor, seed, settings)
