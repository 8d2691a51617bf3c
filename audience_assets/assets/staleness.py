"""Which assets do not reflect the newest state of what they are made from.

The question is asked of levels, not of events: every materialization records the versions of its inputs as they were
when its step began, and they are compared with the newest ones. A change that lands while a run is under way is
therefore seen afterwards, and nothing that was missed once stays missed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
INPUT_VERSION = "dagster/input_data_version/"
INPUT_POINTER = "dagster/input_event_pointer/"
UNDECIDED = "undecided"
# Rows that the vendor has not decided are worth another try, but not at once.
UNDECIDED_WAIT = timedelta(minutes=5)

DESTINATION_TAG = "audience_assets/destination"
IMPLICIT_JOB = "__ASSET_JOB"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True)
class Made:
    """An asset of ours and what it is made from."""

    key: dg.AssetKey
    inputs: tuple[dg.AssetKey, ...]
    code_version: str


@dataclass(frozen=True)
class _Newest:
    """The newest materialization of an asset."""

    storage_id: int
    at: datetime
    tags: Mapping[str, str]
    undecided: int

    @property
    def version(self) -> str | None:
        return self.tags.get(DATA_VERSION)


def find_stale(
    instance: dg.DagsterInstance, assets: Sequence[Made], now: datetime | None = None
) -> dict[dg.AssetKey, str]:
    """Stale assets with a text that names this staleness: it differs whenever there is something new to deliver.

    Built from the ids of events, because a membership may return to an earlier state and with it to its version.
    """
    newest = _newest(instance, {key for asset in assets for key in (asset.key, *asset.inputs)})
    moment = now or datetime.now(UTC)
    found = {asset.key: _why(asset, newest, moment) for asset in assets}
    return {key: why for key, why in found.items() if why is not None}


def request_key(stale: Mapping[dg.AssetKey, str]) -> str:
    """One run is asked for a set of stale assets, however often a sensor looks at it."""
    text = json.dumps(sorted((key.to_user_string(), why) for key, why in stale.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def in_flight(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], destination: str | None = None) -> bool:
    """Whether an unfinished run may materialize one of `keys`, whoever started it."""
    wanted = set(keys)
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        if run.asset_selection is not None:
            if wanted & run.asset_selection:
                return True
        elif run.job_name.startswith(IMPLICIT_JOB) or (destination and run.tags.get(DESTINATION_TAG) == destination):
            return True
    return False


def _newest(instance: dg.DagsterInstance, keys: set[dg.AssetKey]) -> dict[dg.AssetKey, _Newest]:
    found = {}
    for record in instance.get_asset_records(list(keys)):
        event = record.asset_entry.last_materialization_record
        materialization = record.asset_entry.last_materialization
        materialized = materialization.asset_materialization if materialization else None
        if event is None or materialized is None:
            continue
        undecided = materialized.metadata.get(UNDECIDED)
        found[record.asset_entry.asset_key] = _Newest(
            storage_id=event.storage_id,
            at=datetime.fromtimestamp(event.timestamp, UTC),
            tags=materialized.tags or {},
            undecided=undecided.value if isinstance(undecided, dg.IntMetadataValue) and undecided.value else 0,
        )
    return found


def _why(asset: Made, newest: Mapping[dg.AssetKey, _Newest], now: datetime) -> str | None:
    mine = newest.get(asset.key)
    inputs = {key: newest[key] for key in asset.inputs if key in newest}
    if mine is None:
        return f"missing {asset.code_version} {_ids(inputs)}"
    if mine.tags.get(CODE_VERSION) != asset.code_version:
        return f"code {asset.code_version} {_ids(inputs)}"
    changed = {key: its for key, its in inputs.items() if _differs(mine, key, its)}
    if changed:
        return f"inputs {_ids(changed)}"
    if mine.undecided and mine.at + UNDECIDED_WAIT <= now:
        return f"undecided {mine.storage_id}"
    return None


def _differs(mine: _Newest, key: dg.AssetKey, its: _Newest) -> bool:
    name = key.to_user_string()
    if its.version is None:
        return mine.tags.get(f"{INPUT_POINTER}{name}") != str(its.storage_id)
    return mine.tags.get(f"{INPUT_VERSION}{name}") != its.version


def _ids(inputs: Mapping[dg.AssetKey, _Newest]) -> str:
    return ",".join(str(number) for number in sorted(its.storage_id for its in inputs.values()))
