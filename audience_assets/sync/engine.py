"""One sync of one list: recover, plan, guard, deliver, acknowledge, merge, report."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.stored import expect_computed
from audience_assets.destinations.base import ListRef, ListService, Operation, Status
from audience_assets.destinations.limits import floor_seconds
from audience_assets.errors import AudienceError
from audience_assets.project.times import parse_duration
from audience_assets.sync.deliver import Deliverer, Delivery
from audience_assets.sync.diff import IN_LIST, REENTERING
from audience_assets.sync.guards import Circumstances, GuardTripped, fingerprint, violations
from audience_assets.sync.history import PLANNED, count_rejections, last_report, members_delivered, segment_state
from audience_assets.sync.kept import expect_own_list, renamed
from audience_assets.sync.lease import Lease, LeaseLost, hold_lease
from audience_assets.sync.plan import Planner, reckon
from audience_assets.sync.recovery import DELIVERING, FAILED, PLANNING, journal_of, merge_answers, recover
from audience_assets.sync.report import Plan, PlanCounts, Progress, SyncReport
from audience_assets.sync.several_rows import expect_one_row
from audience_assets.sync.vendor_list import VendorList
from audience_assets.warehouse.state import ListTables

if TYPE_CHECKING:
    from audience_assets.runtime import Runtime

BLOCKED, DELIVERED, UNCHANGED, PARTIAL = "blocked", "delivered", "unchanged", "partial"
ProgressCall = Callable[[Progress], None]


def plan_sync(runtime: Runtime, activation: str, *, as_of: datetime, sample: int = 0) -> Plan:
    """What a sync would do now. Nothing is written at the vendor; a running sync makes this SyncBusy."""
    return _Run(runtime, activation, as_of, None).dry_run(sample)


def run_sync(
    runtime: Runtime,
    activation: str,
    *,
    as_of: datetime,
    partition: str | None = None,
    approve: str | None = None,
    progress: ProgressCall | None = None,
    recreate: bool = False,
) -> SyncReport:
    """Make the destination list equal its audience.

    `approve` is the fingerprint of a plan that a guard stopped. `recreate` starts a list anew that was deleted at the
    vendor, or at the destination that the activation names now. Raises NotComputed, KeysChanged, ListMoved before
    anything is written; GuardTripped, SyncBusy, LeaseLost or a DestinationError; what was answered until then is kept.
    """
    return _Run(runtime, activation, as_of, partition, progress, recreate=recreate).deliver(approve)


def _told(error: BaseException | None) -> str | None:
    """What is kept of an error. Only ours are known to hold nobody's data; a database's may quote a row."""
    if error is None or isinstance(error, AudienceError):
        return str(error) if error else None
    return type(error).__name__ if isinstance(error, Exception) else "interrupted"


def _sync_id(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond:06d}-{uuid.uuid4().hex[:6]}"


@dataclass
class _Run:
    runtime: Runtime
    name: str
    as_of: datetime
    partition: str | None
    progress: ProgressCall | None = None
    recreate: bool = False

    def __post_init__(self) -> None:
        self.planner = Planner(self.runtime, self.name, self.as_of)
        self._expect_ready()
        self.started = self.runtime.now()
        self.clock = time.monotonic()
        self.sync = _sync_id(self.started)
        self.tables: ListTables = self.planner.prepare()
        self.vendor_list = VendorList(self.runtime, self.planner.activation, self.tables)

    def _expect_ready(self) -> None:
        """Refuse what no plan could be right about, while nothing is written."""
        runtime, activation = self.runtime, self.planner.activation
        expect_own_list(runtime, activation, recreate=self.recreate)
        with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
            expect_computed(connection, runtime.state, runtime.project, [activation.audience])
            expect_one_row(connection, self.planner)

    # -- the two public ways ------------------------------------------------------------------------------------------

    def dry_run(self, sample: int) -> Plan:
        service = self.runtime.service(self.name)
        known = self.vendor_list.known()
        # What the first sync would adopt, and with which opt-in process, is said before it.
        found = None if known.id else service.find_list(known.name)
        note = renamed(self.vendor_list.present_name(known, service), self.planner.activation) if known.id else None
        with hold_lease(self.runtime.engine, self.runtime.state.destination_list, self.name) as lease:
            recover(self.planner, self.tables, lease)
            plan = self._plan(lease, service, recount=True)
            with self.runtime.engine.begin() as connection:
                rows = self._sample(connection, sample) if sample else []
                self._finish(connection, PLANNED, None)
        if found is not None:
            plan = replace(plan, list_exists=True, list_url=found.url, list_facts=found.facts)
        return replace(plan, sample=rows, notes=[note] if note else [])

    def deliver(self, approve: str | None) -> SyncReport:
        service = self.runtime.service(self.name)
        with hold_lease(self.runtime.engine, self.runtime.state.destination_list, self.name) as lease:
            recovered = recover(self.planner, self.tables, lease)
            if self.recreate:
                self.vendor_list.start_anew(lease, service)
            plan = self._plan(lease, service)
            self._guard(lease, plan, approve)
            try:
                if plan.counts.changes:
                    target = self.vendor_list.ensure(lease, service)
                    delivery = self._send(lease, service, target, plan)
                else:
                    target, delivery = self.vendor_list.keep(lease, service, self.vendor_list.known()), Delivery()
            except LeaseLost:
                raise
            except BaseException as error:
                self._fail(lease, error)
                raise
            report = self._conclude(lease, plan, target, delivery, recovered)
        if delivery.fatal is not None:
            raise delivery.fatal
        return report

    # -- steps --------------------------------------------------------------------------------------------------------

    def _plan(self, lease: Lease, service: ListService, *, recount: bool = False) -> Plan:
        """What there is to send. A plan that can't be made closes the sync: nothing was sent."""
        self._tell("planning", 0, 0, 0.0)
        try:
            return self._make_plan(lease, service, recount=recount)
        except LeaseLost:
            raise
        except BaseException as error:
            with self.runtime.engine.begin() as connection:
                lease.assert_held(connection)
                self._finish(connection, FAILED, _told(error))
            raise

    def _make_plan(self, lease: Lease, service: ListService, *, recount: bool) -> Plan:
        state, activation, known = self.runtime.state, self.planner.activation, self.vendor_list.known()
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            last = last_report(connection, state, self.name)
            unidentified = last["counts"]["unidentified"] if last and not recount else None
            _, version = segment_state(connection, state, activation.audience)
            connection.execute(
                state.sync.insert().values(
                    id=self.sync,
                    activation=self.name,
                    partition=self.partition,
                    as_of=self.as_of,
                    state=PLANNING,
                    started_at=self.started,
                    segment_version=version,
                )
            )
        with self.runtime.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                # All statements of a plan must see one state of the source tables.
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                # Nobody can take the list over before this is committed, so nobody's plan is overwritten.
                lease.assert_held(connection)
                counts = self.planner.write(connection, self.tables, self.sync, unidentified)
                found = self._violations(connection, counts, known)
                name = fingerprint(connection, self.tables.change) if found else None
        routes, calls = reckon(service, counts)
        return Plan(
            activation=self.name,
            sync=self.sync,
            counts=counts,
            estimate=calls,
            floor_seconds=floor_seconds(calls),
            routes=routes,
            violations=found,
            fingerprint=name,
            list_facts=known.facts,
            list_name=known.name,
            list_url=known.url,
            list_exists=bool(known.id),
        )

    def _violations(self, connection: Connection, counts: PlanCounts, known: ListRef) -> list[str]:
        activation = self.planner.activation
        computed, _ = segment_state(connection, self.runtime.state, activation.audience)
        oldest = activation.guard.max_source_age
        circumstances = Circumstances(
            computed_at=computed,
            oldest_allowed=self.started - parse_duration(oldest).exact() if oldest else None,
            members_delivered=members_delivered(connection, self.runtime.state, self.name) if known.id else 0,
        )
        return violations(activation.guard, counts, circumstances)

    def _guard(self, lease: Lease, plan: Plan, approve: str | None) -> None:
        if not plan.violations:
            return
        registry = self.runtime.state.destination_list
        mine = registry.c.activation == self.name
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            approved = connection.scalar(sa.select(registry.c.approved_plan).where(mine))
            if plan.fingerprint in (approve, approved):
                connection.execute(registry.update().where(mine).values(approved_plan=None))
                return
            self._finish(connection, BLOCKED, "; ".join(plan.violations))
        raise GuardTripped(plan)

    def _send(self, lease: Lease, service: ListService, target: ListRef, plan: Plan) -> Delivery:
        sync = self.runtime.state.sync
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            connection.execute(sync.update().where(sync.c.id == self.sync).values(state=DELIVERING))
        total = plan.counts.changes

        def told(done: int) -> None:
            self._tell("delivering", done, total, plan.floor_seconds, target)

        told(0)
        return Deliverer(
            self.runtime.engine, journal_of(self.planner, self.tables, self.sync), lease, service, target, told
        ).run()

    def _conclude(self, lease: Lease, plan: Plan, target: ListRef, delivery: Delivery, recovered: int) -> SyncReport:
        """Merge what was answered, write the report and close the sync."""
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            left = journal_of(self.planner, self.tables, self.sync).leave_open(connection)
            answers, after = merge_answers(connection, self.planner, self.tables, self.sync)
            report = self._report(connection, plan, target, delivery, answers, after, recovered, left)
            error = _told(delivery.fatal or delivery.retriable)
            self._finish(connection, FAILED if delivery.fatal else report.state, error, report)
        self._tell("done", plan.counts.changes, plan.counts.changes, plan.floor_seconds)
        return report

    def _report(
        self,
        connection: Connection,
        plan: Plan,
        target: ListRef,
        delivery: Delivery,
        answers: dict[tuple[str, str], int],
        after: dict[str, int],
        recovered: int,
        left: int,
    ) -> SyncReport:
        def accepted(operation: Operation) -> int:
            return answers.get((operation, Status.ACCEPTED), 0)

        def every(status: Status) -> int:
            return sum(answers.get((operation, status), 0) for operation in Operation)

        rejections = count_rejections(connection, self.runtime.state, self.name, self.sync)
        delivered = sum(answers.get((o, s), 0) for o in Operation for s in Status)
        entering_again = every(Status.REENTERS) + after.get(REENTERING, 0)
        retry = every(Status.RETRY) + entering_again + plan.counts.changes - delivered
        state = PARTIAL if retry or left else DELIVERED if plan.counts.changes else UNCHANGED
        return SyncReport(
            sync=self.sync,
            activation=self.name,
            destination=self.planner.activation.destination,
            list_id=target.id,
            list_name=target.name,
            list_url=target.url,
            list_facts=dict(target.facts),
            state=state,
            counts=plan.counts,
            added=accepted(Operation.ADD),
            updated=accepted(Operation.UPDATE),
            removed=accepted(Operation.REMOVE),
            absent=every(Status.ABSENT),
            rejected=every(Status.REJECTED),
            kept=every(Status.KEPT),
            route=plan.route,
            retry=retry,
            channel_issues=sum(row.rows for row in rejections if row.channel),
            members_after=sum(after.get(status, 0) for status in IN_LIST),
            calls=delivery.calls,
            floor_seconds=plan.floor_seconds,
            seconds=round(time.monotonic() - self.clock, 3),
            started_at=self.started,
            rejections=rejections,
            overruled=plan.violations,
            recovered=recovered,
        )

    def _fail(self, lease: Lease, error: BaseException) -> None:
        """Keep what was answered, leave the rest to the next plan, and close the sync."""
        with self.runtime.engine.begin() as connection:
            lease.assert_held(connection)
            journal_of(self.planner, self.tables, self.sync).leave_open(connection)
            merge_answers(connection, self.planner, self.tables, self.sync)
            self._finish(connection, FAILED, _told(error))

    def _finish(self, connection: Connection, state: str, error: str | None, report: SyncReport | None = None) -> None:
        sync = self.runtime.state.sync
        connection.execute(
            sync.update()
            .where(sync.c.id == self.sync)
            .values(
                state=state,
                ended_at=self.runtime.now(),
                error=error,
                report=json.dumps(report.as_dict()) if report else None,
            )
        )

    def _sample(self, connection: Connection, rows: int) -> list[dict[str, Any]]:
        change = self.tables.change
        query = (
            sa.select(change.c.operation, change.c.identifier)
            .where(change.c.operation.in_([str(operation) for operation in Operation]))
            .order_by(change.c.seq)
            .limit(rows)
        )
        return [dict(row._mapping) for row in connection.execute(query)]

    def _tell(self, phase: str, done: int, total: int, floor: float, target: ListRef | None = None) -> None:
        if self.progress:
            named = (target.name, target.facts) if target else ("", {})
            self.progress(Progress(self.name, phase, done, total, floor, *named))
