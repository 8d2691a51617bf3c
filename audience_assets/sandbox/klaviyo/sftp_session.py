"""One SFTP session: file operations on the account's own files, with faults on demand, and what they set off."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServerInterface
from paramiko.sftp import SFTP_FAILURE, SFTP_NO_SUCH_FILE, SFTP_OK, SFTP_OP_UNSUPPORTED, SFTP_PERMISSION_DENIED

from audience_assets.sandbox.faults import Action, Decision
from audience_assets.sandbox.klaviyo.sftp_files import FOLDERS, Files, StoredFile
from audience_assets.sandbox.klaviyo.sftp_ingest import ingest
from audience_assets.sandbox.log import LoggedRequest
from audience_assets.sandbox.messages import Request

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount
    from audience_assets.sandbox.klaviyo.sftp_server import Visitor

Result = TypeVar("Result")

FILE_MODE, FOLDER_MODE = 0o100600, 0o040700
PROFILES = "/profiles/"
CUT = frozenset({Action.RESET_BEFORE, Action.RESET_AFTER, Action.TRUNCATE, Action.THROTTLE, Action.CHALLENGE})
UNDONE = frozenset({Action.RESET_BEFORE, Action.ERROR_BEFORE, Action.THROTTLE, Action.CHALLENGE, Action.NOT_APPLIED})


class Session(SFTPServerInterface):
    """What the user of one connection may do: read and write files in the two folders, nothing else."""

    def __init__(self, server: Visitor, *_: Any, **__: Any) -> None:
        super().__init__(server)
        self._visitor = server
        self._ended = False

    @property
    def account(self) -> KlaviyoAccount:
        found = self._visitor.account
        assert found is not None  # noqa: S101 - nobody opens a session without having come in
        return found

    @property
    def files(self) -> Files:
        return self.account.sftp_files

    def session_ended(self) -> None:
        self._ended = True

    def list_folder(self, path: str) -> list[SFTPAttributes] | int:
        folder = Files.resolve(path)

        def work() -> list[SFTPAttributes]:
            return [self._attributes(f"{folder.rstrip('/')}/{name}") for name in self.files.names(folder)]

        return self._perform("sftp_list", folder, work)

    def stat(self, path: str) -> SFTPAttributes | int:
        place = Files.resolve(path)
        return self._perform("sftp_stat", place, lambda: self._attributes(place))

    lstat = stat

    def open(self, path: str, flags: int, attr: SFTPAttributes) -> SFTPHandle | int:  # noqa: ARG002
        place = Files.resolve(path)
        return self._perform("sftp_open", place, lambda: self._opened(place, flags))

    def rename(self, oldpath: str, newpath: str) -> int:
        old, new = Files.resolve(oldpath), Files.resolve(newpath)

        def work() -> int:
            if not self.account.switches.sftp_renames:
                return SFTP_OP_UNSUPPORTED
            self.files.rename(old, new)
            self.taken(new)
            return SFTP_OK

        return self._perform("sftp_rename", new, work)

    posix_rename = rename

    def remove(self, path: str) -> int:
        place = Files.resolve(path)

        def work() -> int:
            self.files.remove(place)
            return SFTP_OK

        return self._perform("sftp_remove", place, work)

    def chattr(self, path: str, attr: SFTPAttributes) -> int:  # noqa: ARG002
        return SFTP_OK

    def wrote(self, path: str, file: StoredFile, offset: int, data: bytes) -> int:
        def work() -> int:
            file.write(offset, data)
            return SFTP_OK

        return self._perform("sftp_write", path, work, quiet=True)

    def closed(self, path: str) -> None:
        """A written file is taken for whole when it is closed, unless the connection ended first."""
        if self._ended:
            if self.account.switches.sftp_takes_halves:
                self.taken(path)
            return

        def work() -> int:
            self.taken(path)
            return SFTP_OK

        self._perform("sftp_close", path, work)

    def taken(self, path: str) -> None:
        """Start the import of a file, if it is one of profiles."""
        account = self.account
        any_name = account.switches.sftp_takes_any_name
        if not path.startswith(PROFILES) or not (any_name or path.endswith(".csv")):
            return
        with account.lock:
            file = self.files.get(path)
            due = account.settle() + account.switches.sftp_ingest_delay

            def carry_out(at: float) -> None:
                # Renamed or not since: what was taken is what is carried out.
                if not file.content.closed:
                    with file.lock:
                        ingest(account, path.removeprefix(PROFILES), file.content, at)
                    if account.switches.sftp_clears_away:
                        self.files.forget(path, file)

            account.agenda.add(due, carry_out)
            account.settle()

    def _opened(self, path: str, flags: int) -> SFTPHandle | int:
        writes = bool(flags & (1 | 2))  # O_WRONLY, O_RDWR
        file = self.files.create(path, self.account.now()) if writes else self.files.get(path)
        return Handle(self, path, file, flags, writes=writes)

    def _attributes(self, path: str) -> SFTPAttributes:
        found = SFTPAttributes()
        found.filename = path.rpartition("/")[2]
        if path in FOLDERS:
            found.st_mode, found.st_size = FOLDER_MODE, 0
        else:
            file = self.files.get(path)
            found.st_mode, found.st_size, found.st_mtime = FILE_MODE, file.size, int(file.at)
        return found

    def _perform(self, endpoint: str, path: str, work: Callable[[], Result], *, quiet: bool = False) -> Result | int:
        """Do it, fail as a fault wants, and log it; quietly only if it failed."""
        decision = self._visitor.wire.faults.decide(endpoint)
        request = Request("SFTP", path, "", {}, b"", "sftp://127.0.0.1", uuid.uuid4().hex)
        failure = decision.failure.action if decision.failure else None
        started = time.perf_counter()
        _delay(decision, request, Action.LATENCY_BEFORE, Action.HOOK_BEFORE)
        answer: Result | int = SFTP_FAILURE
        if failure not in UNDONE:
            answer = _status_of(work)
        elif failure is Action.NOT_APPLIED:
            answer = SFTP_OK
        if failure is Action.ERROR_AFTER:
            answer = SFTP_FAILURE
        _delay(decision, request, Action.LATENCY_AFTER, Action.HOOK_AFTER)
        cut = failure in CUT
        if cut:
            self._visitor.cut()
        if cut or not quiet:
            self._log(endpoint, path, failure, answer, (time.perf_counter() - started) * 1000)
        return answer

    def _log(self, endpoint: str, path: str, failure: Action | None, answer: object, milliseconds: float) -> None:
        refused = isinstance(answer, int) and answer != SFTP_OK
        self._visitor.wire.log.record(
            LoggedRequest(
                number=0,
                at=self.account.now(),
                vendor="klaviyo",
                account=self.account.name,
                endpoint=endpoint,
                method="SFTP",
                path=path,
                query_string="",
                status=0 if failure in CUT else 500 if refused else 200,
                milliseconds=milliseconds,
                rows=None,
                fault=failure.value if failure else "",
                headers={},
                body=None,
                answer=None,
            )
        )


class Handle(SFTPHandle):
    """An open file."""

    def __init__(self, session: Session, path: str, file: StoredFile, flags: int, *, writes: bool) -> None:
        super().__init__(flags)
        self._session, self._path, self._file, self._writes = session, path, file, writes

    def read(self, offset: int, length: int) -> bytes:
        return self._file.read(offset, length)

    def write(self, offset: int, data: Buffer) -> int:
        return self._session.wrote(self._path, self._file, offset, bytes(data))

    def stat(self) -> SFTPAttributes | int:
        return self._session.stat(self._path)

    def chattr(self, attr: SFTPAttributes) -> int:  # noqa: ARG002
        return SFTP_OK

    def close(self) -> None:
        if self._writes:
            self._writes = False
            self._session.closed(self._path)


def _status_of(work: Callable[[], Result]) -> Result | int:
    try:
        return work()
    except FileNotFoundError:
        return SFTP_NO_SUCH_FILE
    except PermissionError:
        return SFTP_PERMISSION_DENIED
    except FileExistsError:
        return SFTP_FAILURE


def _delay(decision: Decision, request: Request, latency: Action, hook: Action) -> None:
    for fault in decision.delays:
        if fault.action is latency:
            time.sleep(fault.seconds)
        elif fault.action is hook and fault.hook is not None:
            fault.hook(request)


def serve(transport: paramiko.Transport) -> None:
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Session)
