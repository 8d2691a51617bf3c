"""A Klaviyo account that is reached by SFTP: the sandbox's host, a key that may come in, services connected to both."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audience_assets.destinations.base import Connection, DestinationError, Mapped, Member, Report
from audience_assets.destinations.klaviyo.settings import KlaviyoSettings, SftpImportOptions
from audience_assets.destinations.klaviyo.sftp_import import SftpImport
from audience_assets.destinations.limits import MemorySlotLog, SlidingLimiter
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox
from audience_assets.sandbox.klaviyo.sftp_files import IngestResult
from audience_assets.sandbox.klaviyo.sftp_keys import KeyPair, key_pair
from audience_assets.sandbox.klaviyo.sftp_server import SftpServer

KEY, USER = "pk_test_0123456789abcdef", "AbC123_sandbox"
OURS, STRANGER = key_pair("our key"), key_pair("somebody else's key")
LIST_NAME = "Spring readers"
MAPPED = Mapped({"email": "text", "phone": "text", "external_id": "text"}, {"tier": "text"})


@dataclass
class SftpWorld:
    """One account and the folder of our private key."""

    sandbox: Sandbox
    account: KlaviyoAccount
    clock: VirtualClock
    limiter: SlidingLimiter
    folder: Path

    @property
    def host(self) -> SftpServer:
        found = self.sandbox.klaviyo.sftp
        assert isinstance(found, SftpServer)
        return found

    def key_file(self, pair: KeyPair = OURS) -> str:
        file = self.folder / pair.fingerprint[7:15].replace("/", "_")
        if not file.exists():
            file.write_text(pair.private)
        return str(file)

    def settings(self, **settings: Any) -> KlaviyoSettings:
        given = {
            "api_key": KEY,
            "base_url": self.sandbox.url,
            "first_wait_seconds": 0,
            "tries": 4,
            "sftp_host": "127.0.0.1",
            "sftp_port": self.host.port,
            "sftp_username": USER,
            "sftp_private_key_file": self.key_file(),
            "sftp_host_keys": [self.host.host_key.fingerprint],
            **settings,
        }
        return KlaviyoSettings.model_validate({name: value for name, value in given.items() if value is not None})

    def service(self, *, settings: dict[str, Any] | None = None, mapped: Mapped = MAPPED, **options: Any) -> SftpImport:
        return SftpImport(
            Connection(
                settings=self.settings(**(settings or {})),
                options=SftpImportOptions.model_validate(options),
                resubscribe="never",
                import_history=False,
                default_region=None,
                limiter=self.limiter,
                now=lambda: datetime.fromtimestamp(self.clock.now(), UTC),
                mapped=mapped,
                activation="spring_readers",
                list_name=LIST_NAME,
            )
        )

    def names(self) -> list[str]:
        return self.account.sftp_files.names("/profiles")

    def content(self, name: str) -> bytes:
        file = self.account.sftp_files.get(f"/profiles/{name}")
        return file.read(0, file.size)

    def rows(self, name: str) -> list[dict[str, str]]:
        text = io.StringIO(self.content(name).decode(), newline="")
        return list(csv.DictReader(text, strict=True))

    def results(self) -> list[IngestResult]:
        """What became of the files, once all are carried out."""
        self.account.finish_jobs()
        return self.account.sftp_results

    def emails(self, list_id: str) -> set[str | None]:
        self.account.finish_jobs()
        return {profile.email for profile in self.account.members(list_id)}

    def calls(self, endpoint: str) -> int:
        return sum(entry.endpoint == endpoint for entry in self.sandbox.requests)


@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[SftpWorld]:
    clock = VirtualClock()
    vendor = KlaviyoSandbox(sftp_port=0)
    with Sandbox([vendor], clock=clock) as sandbox:
        account = vendor.account("demo", key=KEY)
        vendor.sftp_user(USER, "demo", OURS.public)

        def sleep(seconds: float) -> None:
            clock.advance(seconds)

        limiter = SlidingLimiter(MemorySlotLog(clock.now), "demo", sleep=sleep)
        yield SftpWorld(sandbox, account, clock, limiter, tmp_path)


def person(email: str | None, phone: str | None = None, external_id: str | None = None, tier: Any = None) -> Member:
    values = {"email": email, "phone": phone, "external_id": external_id, "tier": tier}
    return Member(str(email or phone or external_id).strip().lower(), values)


def people(count: int) -> list[Member]:
    return [person(f"person{number}@example.com", tier="gold") for number in range(count)]


def delivered(service: SftpImport, report: Report) -> Report:
    """Flush, and raise what became of the report's batch."""
    report.calls += service.flush()
    if report.delivery is not None:
        report.delivery.result(timeout=0)
    return report


def failure(delivery: Future[None] | None) -> DestinationError:
    assert delivery is not None
    error = delivery.exception(timeout=0)
    assert isinstance(error, DestinationError)
    return error
