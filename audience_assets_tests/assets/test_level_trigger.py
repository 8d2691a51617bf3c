"""The level trigger loses nothing: whatever changes, runs and ticks come between, once quiet no list is stale.

An edge trigger fails this test: a change that lands while a run is under way counts as handled when the run ends.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import dagster as dg
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audience_assets.assets.sensors import request_stale
from audience_assets.assets.staleness import DATA_VERSION, INPUT_POINTER, INPUT_VERSION, Made, find_stale

SEGMENTS = [dg.AssetKey(["segment", name]) for name in "ab"]
LISTS = [
    Made(dg.AssetKey(["klaviyo", "one"]), (SEGMENTS[0],), "1"),
    Made(dg.AssetKey(["klaviyo", "both"]), tuple(SEGMENTS), "1"),
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 1), st.integers(0, 1)),
        st.tuples(st.sampled_from(["deliver", "deliver", "tick", "start", "finish", "fail"]), st.just(0), st.just(0)),
    ),
    max_size=25,
)


class World:
    """Dagster's storage, a queue of at most one run, and what each list really holds."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.used_keys: set[str] = set()
        self.queued: dg.RunRequest | None = None
        self.running: tuple[dg.RunRequest, dict[dg.AssetKey, dict[str, str]]] | None = None
        self.run: dg.DagsterRun | None = None
        self.membership = dict.fromkeys(SEGMENTS, "0")
        self.holds: dict[dg.AssetKey, tuple[str, ...]] = {}
        for segment in SEGMENTS:
            self._materialize(segment, {DATA_VERSION: "0"})

    def change(self, which: int, membership: int) -> None:
        """A segment is computed; its membership may be one it had before."""
        segment = SEGMENTS[which]
        self.membership[segment] = str(membership)
        self._materialize(segment, {DATA_VERSION: str(membership)})

    def tick(self) -> None:
        if self.run is None and self.queued is None:
            found = request_stale(self.instance, "klaviyo", LISTS, [], "2026-11-21")
            if isinstance(found, dg.RunRequest) and found.run_key not in self.used_keys:
                assert found.run_key is not None
                self.used_keys.add(found.run_key)
                self.queued = found

    def start(self) -> None:
        """A step reads its inputs' versions and, after that, its inputs."""
        if self.queued is not None:
            request, self.queued = self.queued, None
            selection = frozenset(request.asset_selection or ())
            self.run = dg.DagsterRun("job", asset_selection=selection, status=dg.DagsterRunStatus.STARTED)
            self.instance.add_run(self.run)
            self.running = request, {made.key: self._inputs(made) for made in LISTS if made.key in selection}

    def deliver(self) -> None:
        """A run without anything in between."""
        self.tick()
        self.start()
        self.finish()

    def finish(self) -> None:
        if self.running is not None:
            for key, read in self.running[1].items():
                self.holds[key] = tuple(version for tag, version in read.items() if tag.startswith(INPUT_VERSION))
                self._materialize(key, {**read, "dagster/code_version": "1"})
            self._end(dg.DagsterRunStatus.SUCCESS)

    def fail(self) -> None:
        if self.running is not None:
            self._end(dg.DagsterRunStatus.FAILURE)

    def _end(self, status: dg.DagsterRunStatus) -> None:
        assert self.run is not None
        event = {dg.DagsterRunStatus.SUCCESS: "report_run_canceled", dg.DagsterRunStatus.FAILURE: "report_run_failed"}
        getattr(self.instance, event[status])(self.run)
        self.run, self.running = None, None

    def _inputs(self, made: Made) -> dict[str, str]:
        tags = {}
        for record in self.instance.get_asset_records(list(made.inputs)):
            event = record.asset_entry.last_materialization_record
            assert event is not None and event.asset_materialization is not None
            name = record.asset_entry.asset_key.to_user_string()
            tags[f"{INPUT_VERSION}{name}"] = (event.asset_materialization.tags or {})[DATA_VERSION]
            tags[f"{INPUT_POINTER}{name}"] = str(event.storage_id)
        return dict(sorted(tags.items()))

    def _materialize(self, key: dg.AssetKey, tags: dict[str, str]) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, tags=tags))

    def wanted(self, made: Made) -> tuple[str, ...]:
        return tuple(self.membership[key] for key in made.inputs)


DELIVER = ("deliver", 0, 0)
MID_RUN = [DELIVER, ("change", 0, 1), ("tick", 0, 0), ("start", 0, 0), ("change", 0, 0)]
THERE_AND_BACK = [DELIVER, ("change", 0, 1), DELIVER, ("change", 0, 0), DELIVER, ("change", 0, 1)]


@settings(max_examples=20)
@given(STEPS)
@example(MID_RUN)
@example(THERE_AND_BACK)
def test_once_quiet_every_list_holds_the_newest_audience(steps: list[tuple[str, int, int]]) -> None:
    with warnings.catch_warnings():
        # Dagster leaves its temporary folder to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        with dg.DagsterInstance.ephemeral() as instance:
            world = World(instance)
            failed = False
            for name, which, membership in steps:
                if name == "change":
                    world.change(which, membership)
                else:
                    failed |= name == "fail" and world.running is not None
                    getattr(world, name)()
            if failed:
                # A run that failed is asked for again by the next change or the daily schedule; here it is a change.
                for number in range(len(SEGMENTS)):
                    world.change(number, 9)
            for _ in range(4):
                world.finish()
                world.tick()
                world.start()
            world.finish()
            assert find_stale(instance, LISTS) == {}
            assert {made.key: world.wanted(made) for made in LISTS} == world.holds
            world.tick()
            assert world.queued is None


def test_undecided_rows_are_asked_for_again_after_a_while(instance: dg.DagsterInstance) -> None:
    made = Made(dg.AssetKey(["klaviyo", "one"]), (), "1")
    tags = {"dagster/code_version": "1"}
    instance.report_runless_asset_event(dg.AssetMaterialization(made.key, tags=tags, metadata={"undecided": 3}))
    now = datetime.now(UTC)
    assert find_stale(instance, [made], now) == {}
    assert list(find_stale(instance, [made], now + timedelta(minutes=6))) == [made.key]
