"""The twins as the command line serves them: one account each. A new one is a function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from audience_assets.sandbox.dotdigital import DotdigitalSandbox
from audience_assets.sandbox.emarsys import EmarsysSandbox
from audience_assets.sandbox.iterable import EMAIL, HYBRID, USER_ID, IterableSandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox
from audience_assets.sandbox.vendor import SandboxVendor

ACCOUNT = "sandbox"
# Another one if it is taken.
SFTP_PORT = 8722
# A person by identifier ("email", "phone", ...), normalised.
Person = Mapping[str, str]


@dataclass(frozen=True)
class Served:
    """A twin with one account. `settings` are a destination's, but for the key, by the open twin's address."""

    vendor: SandboxVendor
    seed: Callable[[Iterable[Person]], int]
    settings: Callable[[str], Mapping[str, str]]


def _klaviyo(key: str, rate_limits: bool) -> Served:
    from audience_assets.sandbox.klaviyo.sftp_keys import key_pair  # noqa: PLC0415 - the SSH library loads slowly

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


def _iterable(key: str, rate_limits: bool) -> Served:
    """A hybrid project; the other types by the key with -email or -user_id behind it."""
    vendor = IterableSandbox(rate_limits=rate_limits)
    projects = [vendor.project(ACCOUNT, key=key, project_type=HYBRID)]
    projects += [
        vendor.project(f"{ACCOUNT}-{each}", key=f"{key}-{each}", project_type=each) for each in (EMAIL, USER_ID)
    ]
    names = {"email": "email", "user_id": "userId"}

    def seed(people: Iterable[Person]) -> int:
        rows = [{names[kind]: value for kind, value in person.items() if kind in names} for person in people]
        return max(project.add_users(row for row in rows if row) for project in projects)

    return Served(vendor, seed, lambda url: {"base_url": url, "project_type": HYBRID})


def _emarsys(key: str, rate_limits: bool) -> Served:
    vendor = EmarsysSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, client=(ACCOUNT, key))

    def seed(people: Iterable[Person]) -> int:
        return account.add_contacts({"email": person["email"]} for person in people if "email" in person)

    def settings(url: str) -> Mapping[str, str]:
        return {"base_url": url, "token_url": f"{url}/oauth2/token", "client_id": ACCOUNT}

    return Served(vendor, seed, settings)


def _dotdigital(key: str, rate_limits: bool) -> Served:
    vendor = DotdigitalSandbox(rate_limits=rate_limits)
    account = vendor.account(ACCOUNT, user=ACCOUNT, password=key)

    def contact(person: Person) -> dict[str, str]:
        number = {"mobile": person["phone"].lstrip("+")} if "phone" in person else {}
        return {**({"email": person["email"]} if "email" in person else {}), **number}

    def seed(people: Iterable[Person]) -> int:
        return len(account.add_contacts(contact(person) for person in people))

    return Served(vendor, seed, lambda url: {"base_url": url, "api_user": ACCOUNT})


# By vendor: from the key that the twin shall know, and whether it keeps to the vendor's rate limits.
TWINS: Mapping[str, Callable[[str, bool], Served]] = {
    "klaviyo": _klaviyo,
    "iterable": _iterable,
    "emarsys": _emarsys,
    "dotdigital": _dotdigital,
}
