"""Klaviyo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

import requests

from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches
from audience_assets.sandbox.klaviyo.sftp_keys import key_pair
from audience_assets_tests.vendors.account import Objection, VendorAccount, page

OURS = frozenset({"subscribe", "unsubscribe"})
WITHOUT_DELAYS = KlaviyoSwitches(consent_delay=0.0, job_queued=0.0, job_processing=0.0, sftp_ingest_delay=0.0)


class _Account(VendorAccount):
    """What all kinds of lists have in common."""

    haste: ClassVar[Mapping[str, str]] = {
        **VendorAccount.haste,
        "settle_seconds": "0",
        "import_poll_seconds": "0",
        "import_patience_seconds": "0",
    }
    can_delete = False
    otherwise: ClassVar[Mapping[str, Any]] = {
        "emails_fold_case": False,
        "refuse_unknown_parameters": False,
        "unknown_member_status": 0,
        "import_conflict_fails": False,
        "import_errors_hold_rows": False,
        "import_errors_point": True,
        "sftp_takes_any_name": True,
        "sftp_takes_halves": True,
        "sftp_clears_away": True,
        "sftp_empty_clears": True,
    }

    def __init__(self, name: str, account: KlaviyoAccount, variant: Mapping[str, Mapping[str, str]] | None) -> None:
        super().__init__(name, variant)
        self.account = account

    @classmethod
    def twin(cls, *, rate_limits: bool = False) -> KlaviyoSandbox:
        return KlaviyoSandbox(rate_limits=rate_limits, switches=WITHOUT_DELAYS, sftp_port=0)

    @classmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        return cls(name, sandbox.klaviyo.account(name, key=f"pk_{name}"), variant)

    def credentials(self, url: str) -> Mapping[str, str]:
        return {"api_key": f"pk_{self.name}", "base_url": url}

    @property
    def switches(self) -> KlaviyoSwitches:
        return self.account.switches

    def know(self, emails: Iterable[str]) -> None:
        self.account.add_profiles({"email": email} for email in emails)

    def people(self) -> list[str]:
        return [profile.email for profile in self.account.profiles if profile.email]

    def adopt(self, list_name: str, emails: Iterable[str]) -> None:
        made = self.account.create_list(list_name, "single_opt_in")
        for email in emails:
            profile = self.account.find(email)
            assert profile is not None
            made.add(profile.number, 0.0)

    def listed(self, list_name: str) -> list[str]:
        self.account.finish_jobs()
        if all(each.name != list_name for each in self.account.lists):
            return []
        found = self.account.members(self.account.list_named(list_name).id)
        return [str(profile.email) for profile in found]

    def take_off(self, list_name: str, email: str) -> None:
        profile = self.account.find(email)
        if profile is not None and any(each.name == list_name for each in self.account.lists):
            self.account.list_named(list_name).remove(profile.number)

    def opt_out(self, email: str) -> None:
        self.account.opt_out(email)

    def opted_out(self) -> set[str]:
        """By the person's own doing."""
        self.account.finish_jobs()
        found: dict[str, bool] = {}
        for change in self.account.audit:
            if change.email and change.channel.startswith("email"):
                theirs = change.origin not in OURS or found.get(change.email, False)
                found[change.email] = change.after == "UNSUBSCRIBED" and theirs
        return {email for email, is_out in found.items() if is_out}

    def attributes(self, email: str) -> Mapping[str, Any]:
        profile = self.account.find(email)
        given = (profile.attributes if profile else None) or {}
        return {**given.get("properties", {}), **given}

    def delete(self, email: str) -> None:
        raise NotImplementedError("Klaviyo deletes nobody but on a privacy request")

    def read(self, session: requests.Session, url: str, list_id: str) -> list[str]:
        headers = {"Authorization": f"Klaviyo-API-Key pk_{self.name}", "revision": "2026-07-15"}
        following: str | None = f"{url}/api/lists/{list_id}/profiles?page%5Bsize%5D=100&fields%5Bprofile%5D=email"
        found: list[str] = []
        while following:
            told: Any = page(session.get(following, headers=headers, timeout=60))
            found += [profile["attributes"]["email"] for profile in told["data"]]
            following = told["links"]["next"]
        return found


class SubscriptionList(_Account):
    """`klaviyo.subscription_list` by e-mail. Leaving opts out; that opt-out is ours and not the person's."""

    service = "klaviyo.subscription_list"
    objection = Objection.BARS
    activation: ClassVar[Mapping[str, Any]] = {
        "consent": {"import_history": "true", "consent_at": {"email": "opted_in_at"}}
    }
    writes = ("bulk_subscribe_profiles", "bulk_unsubscribe_profiles")
    reads = ("get_profiles*", "get_list*")


class AudienceList(_Account):
    """`klaviyo.audience_list`."""

    service = "klaviyo.audience_list"
    writes = ("bulk_import_profiles", "remove_profiles_from_list")
    reads = ("get_*import*", "get_profiles*", "get_list*")
    variants = ({}, {"options": {"opt_in_process": "single_opt_in"}})


class SftpImport(_Account):
    """`klaviyo.sftp_import`, of an account with an API key, which takes leavers off the list."""

    service = "klaviyo.sftp_import"
    writes = ("sftp_rename", "remove_profiles_from_list")
    reads = ("sftp_*", "get_profiles*", "get_list*")
    variants = ({}, {"settings": {"sftp_rename": "false"}})
    host: Mapping[str, str]

    @classmethod
    def open(cls, sandbox: Sandbox, name: str, variant: Mapping[str, Mapping[str, str]] | None = None) -> Self:
        made = super().open(sandbox, name, variant)
        host = sandbox.klaviyo.sftp
        assert host is not None
        keys = key_pair(name)
        sandbox.klaviyo.sftp_user(name, name, keys.public)
        made.host = {
            "sftp_host": "127.0.0.1",
            "sftp_port": str(host.port),
            "sftp_host_keys": host.host_key.fingerprint,
            "sftp_username": name,
            "sftp_private_key": keys.private,
        }
        return made

    def credentials(self, url: str) -> Mapping[str, str]:
        return {**super().credentials(url), **self.host}
