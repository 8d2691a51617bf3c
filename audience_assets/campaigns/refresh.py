"""Computing a campaign: who is for it, which group each has, and the audience of every treatment group."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.definition import all_nodes_of
from audience_assets.audiences.missing import explain_missing
from audience_assets.audiences.planning import expect_large_joins
from audience_assets.audiences.refresh import expect_keys
from audience_assets.audiences.store import SegmentRun, record_run, run_id, store_members
from audience_assets.audiences.stored import expect_read
from audience_assets.audiences.uploaded import lists_read, load_uploaded_lists
from audience_assets.campaigns.assign import Staged, assign_exactly, stage, withhold, write_ledger
from audience_assets.campaigns.held_out import record_held_out
from audience_assets.campaigns.meaning import campaign_hash, conditions, holdout_in_force, parts
from audience_assets.campaigns.priority import rivals
from audience_assets.campaigns.recipients import Moves, follow
from audience_assets.campaigns.rekeyed import carry_over
from audience_assets.campaigns.self_check import expect_same_buckets
from audience_assets.campaigns.split import compile_split
from audience_assets.campaigns.statement import EXCLUDED, HELD_OUT, OUTRANKED, Audience, compile_audience
from audience_assets.campaigns.versions import current_splits
from audience_assets.project.audiences import audience_name
from audience_assets.project.campaign_states import expect_active
from audience_assets.project.project import Project
from audience_assets.warehouse.locks import one_at_a_time
from audience_assets.warehouse.state import State


@dataclass(frozen=True)
class CampaignRun:
    """One computation of a campaign. Numbers are of people; with all matches `size` counts one for each sub-audience.

    Of those `included`, so many were excluded, outranked by another campaign and held out, in this order. `size` are
    the recipients, control too, and `counts` tells them by sub-audience and group; `withheld` are control in another
    sub-audience. `groups` has the run of every treatment group by the name of its audience. `version` changes exactly
    when the recipients or their groups do.
    """

    campaign: str
    as_of: datetime
    definition_hash: str
    included: int
    excluded: int
    held_out: int
    outranked: int
    withheld: int
    size: int
    entered: int
    left: int
    counts: Mapping[str, Mapping[str, int]]
    split_version: int
    duration_seconds: float
    version: str
    groups: Mapping[str, SegmentRun]


def refresh_campaign(engine: Engine, state: State, project: Project, name: str, as_of: datetime) -> CampaignRun:
    """Give everybody the campaign is for at `as_of` (with a zone) their group; all or nothing, in one transaction.

    The ledger, the recipients and the treatment groups' audiences are written together, so none of them is ever ahead.
    Raises NotActive for a draft or an archived campaign, WarehouseError when the warehouse lacks something, a users
    model's key is missing or not unique, or it works out other buckets than Python does.
    """
    expect_active(project, name)
    with _computed(engine, state, project, name, as_of) as (_, run):
        return run


@contextmanager
def rehearsed(
    engine: Engine, state: State, project: Project, name: str, as_of: datetime
) -> Iterator[tuple[Connection, CampaignRun]]:
    """The campaign as `refresh_campaign` would compute it, to be looked at on the connection; then all is undone.

    Nobody is given a group for good. Needs a warehouse whose transactions take back tables that were made in them.
    """
    with _computed(engine, state, project, name, as_of) as (connection, run):
        yield connection, run
        connection.rollback()


@contextmanager
def _computed(
    engine: Engine, state: State, project: Project, name: str, as_of: datetime
) -> Iterator[tuple[Connection, CampaignRun]]:
    started = time.monotonic()
    nodes = list(all_nodes_of(project, conditions(project.campaigns[name])))
    load_uploaded_lists(engine, state, project, lists_read(nodes))
    with explain_missing(engine, project), engine.begin() as connection:
        one_at_a_time(connection, f"{state.namespace} campaign {name}")
        expect_large_joins(connection)
        expect_same_buckets(connection)
        refresh = _Refresh(connection, state, project, name, as_of, started)
        refresh.prepare()
        expect_read(connection, state, project, refresh.model, nodes)
        yield connection, refresh.run()


@dataclass
class _Refresh:
    connection: Connection
    state: State
    project: Project
    name: str
    as_of: datetime
    started: float

    def __post_init__(self) -> None:
        self.campaign = self.project.campaigns[self.name]
        self.model = self.project.campaign_model(self.name)
        self.key_type = self.project.models[self.model].key_type
        self.ledger = self.state.assignment(self.name, self.key_type)
        self.recipient = self.state.recipient(self.name, self.key_type)
        self.held_out = self.state.held_out(self.name, self.key_type)
        self.definition = campaign_hash(self.project, self.name)
        self.first_match = self.campaign.assignment == "first_match"

    def prepare(self) -> None:
        """The campaign's tables are there, under today's keys."""
        for table in (self.ledger, self.recipient, self.held_out):
            table.create(self.connection, checkfirst=True)
            carry_over(self.connection, self.project, self.model, table)

    def run(self) -> CampaignRun:
        connection = self.connection
        staged = self._stage()
        people = self._people(staged)
        record_held_out(connection, staged, self.held_out, self.as_of)
        assign_exactly(connection, staged, self.ledger, first_match=self.first_match)
        write_ledger(connection, staged, self.ledger, self.as_of)
        withheld = 0 if self.first_match else withhold(connection, staged)
        earlier = self._earlier()
        moves = follow(connection, staged, self.recipient, self.ledger, self.as_of, earlier and earlier.as_of)
        run = self._record(staged, people, withheld, moves, earlier)
        staged.table.drop(connection)
        return run

    def _stage(self) -> Staged:
        connection, state = self.connection, self.state
        outranking = rivals(connection, state, self.project, self.name, self.as_of)
        audience = compile_audience(Audience(self.project, self.name, state, self.as_of, outranking))
        holdout = holdout_in_force(self.project, self.name, self.as_of)
        splits = current_splits(connection, state, self.campaign, holdout, self.as_of, lambda: self._measure(audience))
        ledger = None if splits.first else self.ledger
        rows = compile_split(audience, splits, ledger, first_match=self.first_match)
        return stage(connection, self.recipient.c.user_key, rows, splits)

    def _measure(self, audience: sa.Select[Any]) -> dict[str, int]:
        """People by sub-audience."""
        place = audience.subquery("people").c.place
        query = sa.select(place, sa.func.count().label("people")).group_by(place)
        found = {row.place: row.people for row in self.connection.execute(query)}
        return {part.name: found.get(number, 0) for number, part in enumerate(parts(self.campaign))}

    def _people(self, staged: Staged) -> dict[int, int]:
        """Place -> people; the negative ones say why somebody is in no sub-audience. None is missing or repeated."""
        c = staged.table.c
        columns = [c.place, sa.func.count().label("people"), sa.func.count(c.user_key).label("present")]
        if not self.first_match:
            columns.append(sa.func.count(c.user_key.distinct()).label("different"))
        rows = self.connection.execute(sa.select(*columns).group_by(c.place)).all()
        what = f"campaign {self.name}"
        if self.first_match:
            different = self.connection.scalar(sa.select(sa.func.count(c.user_key.distinct()))) or 0
            expect_keys(
                self.project, self.model, what, sum(r.people for r in rows), sum(r.present for r in rows), different
            )
        else:
            for row in rows:
                expect_keys(self.project, self.model, what, row.people, row.present, row.different)
        return {row.place: row.people for row in rows}

    def _earlier(self) -> Any:
        run = self.state.campaign_run
        query = sa.select(run.c.as_of, run.c.version).where(run.c.campaign == self.name)
        return self.connection.execute(query.order_by(run.c.id.desc()).limit(1)).first()

    def _record(self, staged: Staged, people: dict[int, int], withheld: int, moves: Moves, earlier: Any) -> CampaignRun:
        counts = self._counts(staged)
        groups = self._audiences(staged, counts)
        identifier = run_id()
        run = CampaignRun(
            campaign=self.name,
            as_of=self.as_of,
            definition_hash=self.definition,
            included=self._included(staged, people),
            excluded=people.get(EXCLUDED, 0),
            held_out=people.get(HELD_OUT, 0),
            outranked=people.get(OUTRANKED, 0),
            withheld=withheld,
            size=sum(sum(each.values()) for each in counts.values()),
            entered=moves.entered,
            left=moves.left,
            counts=counts,
            split_version=staged.splits.version,
            duration_seconds=time.monotonic() - self.started,
            version=earlier.version if earlier and not (moves.entered or moves.left) else identifier,
            groups=groups,
        )
        table = self.state.campaign_run
        row = {column.name: getattr(run, column.name) for column in table.columns if column.name != "id"}
        self.connection.execute(sa.insert(table).values({**row, "id": identifier, "counts": json.dumps(counts)}))
        return run

    def _included(self, staged: Staged, people: dict[int, int]) -> int:
        if self.first_match:
            return sum(people.values())
        return self.connection.scalar(sa.select(sa.func.count(staged.table.c.user_key.distinct()))) or 0

    def _counts(self, staged: Staged) -> dict[str, dict[str, int]]:
        c = staged.table.c
        query = sa.select(c.place, c.group_name, sa.func.count().label("people")).where(staged.has_group)
        found = {
            (row.place, row.group_name): row.people
            for row in self.connection.execute(query.group_by(c.place, c.group_name))
        }
        return {
            part.sub_audience: {group: found.get((place, group), 0) for group in part.quotas}
            for place, part in enumerate(staged.splits.parts)
        }

    def _audiences(self, staged: Staged, counts: dict[str, dict[str, int]]) -> dict[str, SegmentRun]:
        """Every treatment group's table, and those of groups that are no more, which nobody is in."""
        c = staged.table.c
        runs: dict[str, SegmentRun] = {}
        for place, part in enumerate(staged.splits.parts):
            for group in counts[part.sub_audience]:
                if group != part.control:
                    theirs = sa.select(c.user_key).where(c.place == place, c.group_name == group)
                    runs |= self._store(part.sub_audience, group, theirs)
        if staged.splits.is_new:
            for sub_audience, group, was_control in staged.splits.gone:
                if not was_control and audience_name(self.name, sub_audience, group) not in runs:
                    self._store(sub_audience, group, sa.select(c.user_key).where(sa.false()))
        return runs

    def _store(self, sub_audience: str, group: str, found: sa.Select[Any]) -> dict[str, SegmentRun]:
        started = time.monotonic()
        name = audience_name(self.name, sub_audience, group)
        members = self.state.segment(name, self.key_type)
        counts = store_members(self.connection, self.state, members, name, found, self.as_of)
        return {name: record_run(self.connection, self.state, name, self.as_of, self.definition, counts, started)}
