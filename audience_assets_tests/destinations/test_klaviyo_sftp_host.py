"""Connecting: who is on the other end, who we are, and what becomes of a file when the line breaks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_ssh_private_key,
)

from audience_assets.destinations.base import DestinationError, Misconfigured, Unauthorized, Unavailable
from audience_assets.sandbox import Action, Fault
from audience_assets_tests.destinations.klaviyo_sftp_world import (
    LIST_NAME,
    OURS,
    STRANGER,
    SftpWorld,
    delivered,
    failure,
    people,
    sftp,
)

__all__ = ["sftp"]


def put(sftp: SftpWorld, **settings: Any) -> None:
    """Deliver one file of three people."""
    service = sftp.service(settings=settings)
    delivered(service, service.add(service.ensure_list(LIST_NAME), people(3)))


def refused(sftp: SftpWorld, **settings: Any) -> DestinationError:
    service = sftp.service(settings=settings)
    report = service.add(service.ensure_list(LIST_NAME), people(3))
    service.flush()
    return failure(report.delivery)


def nothing_was_said(sftp: SftpWorld) -> bool:
    """No session was opened, so nobody came in."""
    return not any(entry.method == "SFTP" for entry in sftp.sandbox.requests)


# -- the host -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [None, [STRANGER.fingerprint], [STRANGER.public]])
def test_a_host_that_is_not_expected_is_refused_and_its_fingerprint_told(
    sftp: SftpWorld, keys: list[str] | None
) -> None:
    error = refused(sftp, sftp_host_keys=keys)
    assert isinstance(error, Misconfigured)
    told = str(error)
    assert sftp.host.host_key.fingerprint in told
    assert "Nothing was sent" in told
    assert ("no key of this host is configured" in told) is (keys is None)
    assert nothing_was_said(sftp)


def test_a_host_is_known_by_its_public_key_or_from_known_hosts(sftp: SftpWorld, tmp_path: Path) -> None:
    put(sftp, sftp_host_keys=[STRANGER.fingerprint, sftp.host.host_key.public])
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sftp.host.port} {sftp.host.host_key.public}\n")
    put(sftp, sftp_host_keys=None, sftp_known_hosts=str(known))
    put(sftp, sftp_host_keys=f"{STRANGER.fingerprint},{sftp.host.host_key.fingerprint}")  # as the environment says it
    assert len(sftp.names()) == 3
    known.write_text(f"[127.0.0.1]:{sftp.host.port} {STRANGER.public}\n")
    assert "none of those configured" in str(refused(sftp, sftp_host_keys=None, sftp_known_hosts=str(known)))
    known.write_text(f"other.example {sftp.host.host_key.public}\n")
    assert "no key of this host" in str(refused(sftp, sftp_host_keys=None, sftp_known_hosts=str(known)))


def test_a_file_of_known_hosts_that_is_not_there_is_said(sftp: SftpWorld) -> None:
    error = refused(sftp, sftp_known_hosts="/nowhere/known_hosts")
    assert isinstance(error, Misconfigured)
    assert "/nowhere/known_hosts" in str(error)


@pytest.mark.parametrize("written", ["MD5:aa:bb", "ed25519 SHA256:x"])
def test_other_forms_of_fingerprints_are_mistakes(sftp: SftpWorld, written: str) -> None:
    with pytest.raises(ValueError, match="neither a fingerprint"):
        sftp.settings(sftp_host_keys=[written])


def test_nobody_listens(sftp: SftpWorld) -> None:
    error = refused(sftp, sftp_port=1)
    assert isinstance(error, Unavailable)
    assert "127.0.0.1:1" in str(error)


# -- we -------------------------------------------------------------------------------------------------------------


def test_a_key_that_klaviyo_does_not_know_is_refused(sftp: SftpWorld) -> None:
    error = refused(sftp, sftp_private_key_file=sftp.key_file(STRANGER))
    assert isinstance(error, Unauthorized)
    assert STRANGER.fingerprint in str(error)
    assert STRANGER.private.split("\n")[1] not in str(error)
    assert nothing_was_said(sftp)


def test_a_user_that_klaviyo_does_not_know_is_refused(sftp: SftpWorld) -> None:
    assert isinstance(refused(sftp, sftp_username="nobody"), Unauthorized)


@pytest.mark.parametrize("text", [OURS.private, OURS.private.replace("\n", "\\n")])
def test_the_key_s_text_may_come_from_the_environment(sftp: SftpWorld, text: str) -> None:
    put(sftp, sftp_private_key_file=None, sftp_private_key=text)
    assert len(sftp.names()) == 1


def encrypted(passphrase: str) -> str:
    key = load_ssh_private_key(OURS.private.encode(), None)
    kept = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, kept).decode()


def test_an_encrypted_key_needs_its_passphrase(sftp: SftpWorld) -> None:
    text = {"sftp_private_key_file": None, "sftp_private_key": encrypted("open sesame")}
    assert "set sftp_passphrase" in str(refused(sftp, **text))
    wrong = str(refused(sftp, **text, sftp_passphrase="wrong words"))
    assert "passphrase is wrong" in wrong
    assert "wrong words" not in wrong
    put(sftp, **text, sftp_passphrase="open sesame")
    assert len(sftp.names()) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sftp_private_key": "not a key, but my secret"}, "is no SSH private key"),
        ({"sftp_private_key_file": "/nowhere/key"}, "/nowhere/key"),
        ({"sftp_private_key": OURS.public}, "is no SSH private key"),
    ],
)
def test_a_key_that_can_not_be_read_is_said_without_its_text(
    sftp: SftpWorld, settings: dict[str, Any], said: str
) -> None:
    error = refused(sftp, **{"sftp_private_key_file": None, **settings})
    assert isinstance(error, Misconfigured)
    assert said in str(error)
    assert "my secret" not in str(error)


def test_no_secret_is_shown_by_the_settings(sftp: SftpWorld) -> None:
    settings = sftp.settings(sftp_private_key_file=None, sftp_private_key=OURS.private, sftp_passphrase="open sesame")
    shown = f"{settings!r} {settings} {settings.model_dump_json()}"
    assert OURS.private.split("\n")[1] not in shown
    assert "open sesame" not in shown


# -- the line -------------------------------------------------------------------------------------------------------


def test_a_line_that_breaks_in_the_middle_is_taken_up_again(sftp: SftpWorld) -> None:
    sftp.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write", calls={1, 2}))
    put(sftp)
    assert sftp.calls("sftp_open") == 3
    assert [result.rows for result in sftp.results()] == [3]
    assert [name[-4:] for name in sftp.names()] == [".csv"]


@pytest.mark.parametrize("action", [Action.RESET_AFTER, Action.RESET_BEFORE, Action.ERROR_BEFORE, Action.ERROR_AFTER])
@pytest.mark.parametrize("call", ["sftp_open", "sftp_close", "sftp_stat", "sftp_rename"])
def test_a_call_that_fails_is_repeated_and_the_file_is_there_once(sftp: SftpWorld, action: Action, call: str) -> None:
    sftp.sandbox.faults.add(Fault(action, call, times=1))
    put(sftp)
    assert len(sftp.names()) == 1
    assert sftp.names()[0].endswith(".csv")
    assert [result.rows for result in sftp.results()] == [3]


def test_half_a_file_is_never_imported(sftp: SftpWorld) -> None:
    sftp.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write", calls={2}))
    service = sftp.service(settings={"tries": 1})
    members = people(3_000)
    report = service.add(service.ensure_list(LIST_NAME), members)
    service.flush()
    assert isinstance(failure(report.delivery), Unavailable)
    [name] = sftp.names()
    assert name.endswith(".csv.part")
    assert sftp.results() == []
    sftp.sandbox.faults.clear()
    again = sftp.service()
    target = again.ensure_list(LIST_NAME)
    delivered(again, again.add(target, members))
    assert len(sftp.emails(target.id)) == 3_000


@pytest.mark.parametrize("switch", ["sftp_takes_any_name", "sftp_takes_halves"])
def test_a_host_that_imports_more_than_it_should_changes_nothing_in_the_end(sftp: SftpWorld, switch: str) -> None:
    setattr(sftp.account.switches, switch, True)
    sftp.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write", calls={1}))
    service = sftp.service()
    target = service.ensure_list(LIST_NAME)
    delivered(service, service.add(target, people(20)))
    assert sftp.emails(target.id) == {member.identifier for member in people(20)}


def test_a_host_that_does_not_rename_is_written_to_directly(sftp: SftpWorld) -> None:
    sftp.account.switches.sftp_renames = False
    assert isinstance(refused(sftp), Unavailable)
    put(sftp, sftp_rename=False)
    assert [result.rows for result in sftp.results()] == [3]


@pytest.mark.parametrize("any_name", [False, True])
@pytest.mark.parametrize("renames", [False, True])
def test_a_host_that_clears_away_what_it_took_has_it_all_the_same(
    sftp: SftpWorld, any_name: bool, renames: bool
) -> None:
    switches = sftp.account.switches
    switches.sftp_ingest_delay, switches.sftp_clears_away, switches.sftp_takes_any_name = 0.0, True, any_name
    put(sftp, sftp_rename=renames)
    assert [result.rows for result in sftp.results()] == [3]
    assert sftp.names() == []


@pytest.mark.parametrize(
    ("folder", "said"), [("/profile", "no folder /profile"), ("/", "does not let this user write")]
)
def test_a_folder_that_is_not_for_writing_is_said(sftp: SftpWorld, folder: str, said: str) -> None:
    error = refused(sftp, sftp_folder=folder)
    assert isinstance(error, Misconfigured)
    assert said in str(error)


def test_what_was_gathered_is_let_go_without_a_trace(sftp: SftpWorld) -> None:
    service = sftp.service()
    report = service.add(service.ensure_list(LIST_NAME), people(3))
    service.discard()
    assert service.flush() == 0
    assert report.delivery is not None
    assert not report.delivery.done()
    assert nothing_was_said(sftp)


def test_two_at_once_do_not_meet(sftp: SftpWorld) -> None:
    everybody, services = people(200), [sftp.service(), sftp.service()]
    target = services[0].ensure_list(LIST_NAME)

    def deliver(part: int) -> None:
        delivered(services[part], services[part].add(target, everybody[part::2]))

    threads = [threading.Thread(target=deliver, args=(part,)) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sftp.names()) == 2
    assert len(sftp.emails(target.id)) == 200


# -- doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_proves_the_way_in_and_writes_nothing(sftp: SftpWorld) -> None:
    findings = list(sftp.service().check(LIST_NAME))
    assert all(finding.ok for finding in findings), findings
    checks = [finding.check for finding in findings]
    assert checks[:4] == ["SSH key", "SFTP host", "SFTP login", "SFTP folder"]
    assert "reading lists" in checks
    assert {entry.endpoint for entry in sftp.sandbox.requests if entry.method == "SFTP"} == {"sftp_list"}
    assert all(entry.method in ("GET", "SFTP") for entry in sftp.sandbox.requests)


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        ({"sftp_private_key_file": "/nowhere/key"}, "SSH key"),
        ({"sftp_host_keys": [STRANGER.fingerprint]}, "SFTP host"),
        ({"sftp_username": "nobody"}, "SFTP login"),
        ({"sftp_port": 1}, "SFTP connection"),
        ({"sftp_folder": "/profile"}, "SFTP connection"),
    ],
)
def test_doctor_says_what_is_wrong(sftp: SftpWorld, settings: dict[str, Any], check: str) -> None:
    findings = [f for f in sftp.service(settings=settings).check(LIST_NAME) if f.check.startswith("S")]
    assert findings[-1].check == check
    assert not findings[-1].ok


def test_doctor_tells_of_files_left_half_way(sftp: SftpWorld) -> None:
    sftp.sandbox.faults.add(Fault(Action.RESET_BEFORE, "sftp_write"))
    refused(sftp)
    sftp.sandbox.faults.clear()
    [folder] = [f for f in sftp.service().check(LIST_NAME) if f.check == "SFTP folder"]
    assert "1 unfinished" in folder.message
