"""Klaviyo's SFTP host on loopback: who comes in, where they can go, and what becomes of their files."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paramiko
import pytest
import requests

from audience_assets.destinations.klaviyo.settings import KlaviyoSettings
from audience_assets.destinations.klaviyo.sftp_connection import connected
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo.sftp_files import IngestResult
from audience_assets.sandbox.served import serve
from audience_assets_tests.destinations.klaviyo_sftp_world import OURS, STRANGER, USER, SftpWorld, sftp

__all__ = ["sftp"]


@contextmanager
def session(world: SftpWorld) -> Iterator[paramiko.SFTPClient]:
    transport = paramiko.Transport(socket.create_connection(("127.0.0.1", world.host.port)))
    with closing(transport):
        transport.connect(username=USER, pkey=OURS.key)
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        with client:
            yield client
    transport.join(5)


def imported(world: SftpWorld, text: str, name: str = "/profiles/people.csv") -> IngestResult:
    """Put one file and say what became of it."""
    with session(world) as client:
        client.putfo(io.BytesIO(text.encode()), name)
    return world.results()[-1]


@pytest.mark.skipif(shutil.which("sftp") is None, reason="OpenSSH is not installed")
def test_openssh_s_own_client_works(sftp: SftpWorld, tmp_path: Path) -> None:
    key, file, known = tmp_path / "key", tmp_path / "people.csv", tmp_path / "known_hosts"
    key.write_text(OURS.private)
    key.chmod(0o600)
    known.write_text(f"[127.0.0.1]:{sftp.host.port} {sftp.host.host_key.public}\n")
    target = sftp.account.create_list("VIP")
    file.write_text(f"Email,List ID,tier\r\nann@example.com,{target.id},gold\r\n")
    script = f"ls /\nput {file} /profiles/a.csv.part\nrename /profiles/a.csv.part /profiles/a.csv\nls -l /profiles\n"
    options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-i", str(key), "-b", "-"]
    run = subprocess.run(  # noqa: S603 - our own words
        ["sftp", "-P", str(sftp.host.port), *options, f"{USER}@127.0.0.1"],  # noqa: S607
        input=script,
        text=True,
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert "/events" in run.stdout
    assert "a.csv" in run.stdout.splitlines()[-1]
    assert sftp.emails(target.id) == {"ann@example.com"}


def test_only_the_account_s_key_comes_in(sftp: SftpWorld) -> None:
    for user, key, password in ((USER, STRANGER.key, None), ("nobody", OURS.key, None), (USER, None, "guess")):
        transport = paramiko.Transport(socket.create_connection(("127.0.0.1", sftp.host.port)))
        with closing(transport), pytest.raises(paramiko.AuthenticationException):
            transport.connect(username=user, pkey=key, password=password)
        transport.join(5)


def test_there_are_two_folders_and_nothing_above_them(sftp: SftpWorld) -> None:
    with session(sftp) as client:
        assert client.listdir("/") == client.listdir("/../..") == ["events", "profiles"]
        for call in (
            lambda: client.listdir("/etc"),
            lambda: client.open("/etc/passwd"),
            lambda: client.open("/profiles/../../etc/passwd"),
            lambda: client.putfo(io.BytesIO(b""), "/other/a.csv"),
        ):
            with pytest.raises(FileNotFoundError):
                call()
        with pytest.raises(PermissionError):
            client.putfo(io.BytesIO(b""), "/a.csv")
        with pytest.raises(OSError, match=r"unsupported|Operation"):
            client.mkdir("/profiles/more")
        client.putfo(io.BytesIO(b"x" * 100_000), "/events/a.csv")
        with client.open("/events/a.csv") as back:
            assert back.read() == b"x" * 100_000
        client.remove("/events/a.csv")
        assert client.listdir("/events") == []
    assert sftp.results() == [], "events are not read, nor is what is gone"


def test_rows_make_and_change_profiles_by_mail_then_phone_then_external_id(sftp: SftpWorld) -> None:
    sftp.account.add_profiles([{"email": "ann@example.com"}, {"phone_number": "+447400123451"}, {"external_id": "C-3"}])
    found = imported(
        sftp,
        "Email,PhoneNumber,ExternalID,FirstName,tier\r\n"
        "ANN@example.com,,C-1,Ann,gold\r\n"
        ",+447400123451,C-2,,silver\r\n"
        ",,C-3,Cid,\r\n"
        "new@example.com,,,,\r\n",
    )
    assert (found.rows, found.created, found.updated, found.failed) == (4, 1, 3, 0)
    ann, two = sftp.account.find("ann@example.com"), sftp.account.find("+447400123451")
    assert ann is not None
    assert two is not None
    assert (ann.external_id, ann.attributes) == ("C-1", {"first_name": "Ann", "properties": {"tier": "gold"}})
    assert two.external_id == "C-2"
    assert sftp.account.audit == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Email,List ID\r\nann@example.com,NoList\r\n", "The list NoList does not exist."),
        ("Email,PhoneNumber\r\n,12\r\n", "Invalid phone number"),
        ("Email,PhoneNumber\r\nnobody,\r\n", "email"),
        ("Email,tier\r\n,gold\r\n", "At least one identifier"),
        ("Email,tier\r\nann@example.com\r\n", "1 cells under 2 headers"),
        ("Email,PhoneNumber\r\nann@example.com,+447400123452\r\n", "belong to different profiles"),
    ],
)
def test_a_row_that_is_wrong_fails_alone(sftp: SftpWorld, text: str, reason: str) -> None:
    sftp.account.add_profiles([{"email": "ann@example.com"}, {"phone_number": "+447400123452"}])
    width = text.split("\r\n", maxsplit=1)[0].count(",")
    found = imported(sftp, f"{text}bob@example.com{',' * width}\r\n")
    assert (found.rows, found.failed, found.created) == (2, 1, 1)
    assert found.failures[0][0] == 2
    assert reason in found.failures[0][1]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("email,Phone Number\r\nann@example.com,\r\n", "none that identifies"),
        ("Email,Email\r\na@example.com,b@example.com\r\n", "a name twice"),
        ("Email,tier\r\nann@example.com,\ud83c", "UnicodeDecodeError"),
        ('Email,tier\r\nann@example.com,"open\r\n', "Error"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused(sftp: SftpWorld, text: str, refused: str) -> None:
    with session(sftp) as client:
        client.putfo(io.BytesIO(text.encode(errors="surrogatepass")), "/profiles/people.csv")
    [found] = sftp.results()
    assert found.refused is not None
    assert refused in found.refused
    assert sftp.account.contacts == 0


@pytest.mark.parametrize(("clears", "left"), [(False, {"tier": "gold"}), (True, {"tier": None})])
def test_an_empty_cell_clears_or_not(sftp: SftpWorld, clears: bool, left: dict[str, str | None]) -> None:
    sftp.account.switches.sftp_empty_clears = clears
    imported(sftp, "Email,tier\r\nann@example.com,gold\r\n", "/profiles/a.csv")
    imported(sftp, "Email,tier\r\nann@example.com,\r\n", "/profiles/b.csv")
    ann = sftp.account.find("ann@example.com")
    assert ann is not None
    assert ann.attributes == {"properties": left}


def test_the_page_shows_what_became_of_the_files(sftp: SftpWorld) -> None:
    imported(sftp, "Email,List ID\r\nann@example.com,\r\nbob@example.com,NoList\r\n", "/profiles/spring.csv")
    page = requests.get(sftp.sandbox.url, timeout=10).text
    assert "Imports by SFTP" in page
    assert "spring.csv" in page
    assert "line 3: The list NoList does not exist." in page
    assert "sftp_close" in page, "calls are among the requests"


def test_what_the_command_line_shows_of_it_leads_in_and_nothing_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nothing is left there either, whatever ends the sandbox."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    twin = serve("klaviyo", "pk_sandbox", rate_limits=False)
    with Sandbox([twin.vendor]) as sandbox:
        settings = KlaviyoSettings.model_validate(twin.settings(sandbox.url))
        with connected(settings, timeout=10) as client:
            client.putfo(io.BytesIO(b"Email\r\nann@example.com\r\n"), "/profiles/people.csv")
            assert client.listdir("/profiles") == ["people.csv"]
        assert list(tmp_path.iterdir()) == []
