"""A sync as a person follows it: the estimate, a bar, the summary."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from audience_assets.cli.session import Session
from audience_assets.cli.words import duration, plural, table
from audience_assets.sync import Progress as Told
from audience_assets.sync import SyncReport


class Delivery:
    """Shows a bar on stderr while it is open, when stderr is a terminal. Pass `heard` to `run_sync`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=session.err,
            transient=True,
            disable=not session.err.is_terminal,
        )
        self._task: TaskID | None = None

    def heard(self, told: Told) -> None:
        if told.phase != "delivering":
            return
        if self._task is None:
            facts = "".join(f"; {name}: {fact}" for name, fact in told.list_facts.items())
            self._session.say(
                f"{told.activation}: {plural(told.total, 'change')}; "
                f"the vendor's limits allow it in {duration(told.floor_seconds)} at best\n"
                f"  into the list {told.list_name!r}{facts}"
            )
            self._task = self._bar.add_task(told.activation, total=told.total)
        self._bar.update(self._task, completed=told.done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def summary(report: SyncReport) -> Iterator[str | Table]:
    """What one sync did, for the terminal."""
    if report.state == "unchanged":
        yield f"{report.activation}: nothing to do, {report.members_after:,} members"
        return
    way = f", route {report.route}," if report.route else ""
    kept = f"{report.kept:,} left but still in the list, " if report.kept else ""
    yield (
        f"{report.activation}: {report.state}. {report.added:,} added, {report.updated:,} updated, "
        f"{report.removed:,} removed, {kept}{report.rejected:,} rejected, {report.absent:,} unknown to the vendor, "
        f"{report.retry:,} to retry; {report.members_after:,} members in {report.list_name!r}\n"
        f"  {plural(report.calls, 'call')}{way} in {duration(report.seconds)}; at best {duration(report.floor_seconds)}"
    )
    if report.overruled:
        yield f"  approved although: {'; '.join(report.overruled)}"
    if report.rejections:
        cells = [(r.reason, r.channel or "all", r.operation, f"{r.rows:,}", r.detail or "") for r in report.rejections]
        yield table(None, ("reason", "channel", "while", "rows", "example"), cells, numbers="rows")
