"""One Klaviyo list synced by the real engine, with a clock that tests move and jobs that take time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.destinations.klaviyo.resubscribe import OWN_OPT_OUT_SPAN
from audience_assets.project.activations import Mapping as FieldMapping
from audience_assets.project.models import Model
from audience_assets.runtime import Runtime
from audience_assets.sandbox import Sandbox, VirtualClock
from audience_assets.sandbox.klaviyo import KlaviyoAccount, KlaviyoSandbox, KlaviyoSwitches
from audience_assets.sync import SyncReport, run_sync
from audience_assets_tests.sync.klaviyo_list import ACTIVATION, CONSENTS, KEY, LIST_NAME, USERS, make_runtime


@dataclass
class LiveList:
    """`users` and `audience` are the warehouse's side, `account` is the vendor's."""

    folder: Path
    engine: Engine
    sandbox: Sandbox
    clock: VirtualClock
    account: KlaviyoAccount
    channels: tuple[str, ...]
    import_history: bool

    def __post_init__(self) -> None:
        self.runtime = self._open()

    def _open(self) -> Runtime:
        return make_runtime(
            self.folder,
            self.engine,
            self.sandbox.url,
            channels=self.channels,
            import_history=self.import_history,
            now=lambda: self.now,
        )

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now(), UTC)

    def choose(self, *channels: str, **mapping: Any) -> None:
        """Other channels or another mapping from now on."""
        self.channels = channels
        self.runtime = self._open()
        effective = self.runtime.project.effective
        given = FieldMapping.model_validate({**effective[ACTIVATION].mapping.model_dump(), **mapping})
        effective[ACTIVATION] = effective[ACTIVATION].model_copy(update={"mapping": given})

    def only_rows(self, model: str, condition: Mapping[str, Any]) -> None:
        """The model's base filter from now on."""
        settings = self.runtime.project.settings
        filtered = Model.model_validate({**settings.models[model].model_dump(), "base_filter": condition})
        project = replace(
            self.runtime.project,
            settings=settings.model_copy(update={"models": {**settings.models, model: filtered}}),
        )
        self.runtime = replace(self.runtime, project=project)

    def users(self, people: Mapping[int, Mapping[str, str | None]], audience: tuple[int, ...] | None = None) -> None:
        """Key -> email and phone; all of them are in the audience unless it is said."""
        with self.engine.begin() as connection:
            connection.execute(USERS.delete())
            for key, columns in people.items():
                connection.execute(USERS.insert().values(id=key, **columns))
        self.audience(*(people if audience is None else audience))

    def audience(self, *keys: int) -> None:
        segment = self.runtime.state.segment("vips", "integer")
        with self.engine.begin() as connection:
            connection.execute(segment.delete())
            for key in keys:
                connection.execute(segment.insert().values(user_key=key, entered_at=self.now))

    def event(self, user: int, status: str, at: Any, channel: str = "email") -> None:
        """A consent event; `at` is written as it is, in whatever spelling."""
        columns: dict[str, sa.ColumnClause[Any]] = {
            name: sa.column(name) for name in ("id", "user_id", "channel", "status", "at")
        }
        plain = sa.table("consents", *columns.values())
        with self.engine.begin() as connection:
            number = (connection.scalar(sa.select(sa.func.max(CONSENTS.c.id))) or 0) + 1
            values = {"id": number, "user_id": user, "channel": channel, "status": status, "at": at}
            connection.execute(plain.insert().values(values))

    def sync(self, **options: Any) -> SyncReport:
        return run_sync(self.runtime, ACTIVATION, as_of=self.now, **options)

    def settle(self) -> SyncReport:
        """Everything asked of the vendor takes effect, and the next sync runs."""
        self.clock.advance(OWN_OPT_OUT_SPAN.total_seconds() + 60)
        return self.sync()

    def listed(self) -> set[str | None]:
        """E-mail addresses, or numbers of who has none."""
        self.account.finish_jobs()
        target = self.account.list_named(LIST_NAME)
        return {profile.email or profile.phone_number for profile in self.account.members(target.id)}

    def status(self, address: str, channel: str = "email") -> str | None:
        self.account.finish_jobs()
        held = self.account.consent(address, channel)
        return held.status if held else None

    def ledger(self) -> dict[str, str]:
        """Identifier -> status."""
        name, schema = self.runtime.state.table_name(f"list_{ACTIVATION}"), self.runtime.state.metadata.schema
        table = sa.table(name, sa.column("identifier"), sa.column("status"), schema=schema)
        with self.engine.begin() as connection:
            return {row[0]: row[1] for row in connection.execute(sa.select(table.c.identifier, table.c.status))}

    def reasons(self) -> set[tuple[str, str | None]]:
        """Open rejections: reason and channel."""
        rejection = self.runtime.state.rejection
        with self.engine.begin() as connection:
            return {(row[0], row[1]) for row in connection.execute(sa.select(rejection.c.reason, rejection.c.channel))}


MakeList = Callable[..., LiveList]


@contextmanager
def live_lists(folder: Path, make_warehouse: Callable[[str], Engine]) -> Iterator[MakeList]:
    """Makes lists; `delay` is how many seconds the vendor's consent jobs take."""
    sandboxes: list[Sandbox] = []

    def make(*channels: str, import_history: bool = False, delay: float = 0.0, warehouse: str = "sqlite") -> LiveList:
        clock = VirtualClock()
        vendor = KlaviyoSandbox(rate_limits=False, switches=KlaviyoSwitches(consent_delay=delay))
        sandbox = Sandbox([vendor], clock=clock)
        sandbox.__enter__()
        sandboxes.append(sandbox)
        account = vendor.account("live", key=KEY)
        engine = make_warehouse(warehouse)
        return LiveList(folder, engine, sandbox, clock, account, channels or ("email",), import_history)

    try:
        yield make
    finally:
        for sandbox in sandboxes:
            sandbox.__exit__(None, None, None)
