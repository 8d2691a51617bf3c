"""Dagster, in this process, with a history that stays in the demo's folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from audience_assets.definitions import build_definitions
from audience_assets.errors import AudienceError


class RunFailed(AudienceError):
    """A Dagster run of the demo did not succeed."""


@dataclass(frozen=True)
class Pipeline:
    """The project's assets on an instance kept on disk. Needs DAGSTER_HOME in the environment."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def open(cls, project: Path) -> Pipeline:
        logging.getLogger("dagster").setLevel(logging.ERROR)
        return cls(build_definitions(project), dg.DagsterInstance.get())

    def materialize_everything(self) -> str:
        """Compute every segment and deliver every list in one run; its id."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        partitions = job.partitions_def
        assert partitions is not None  # noqa: S101 - lists are partitioned by day
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=partitions.get_last_partition_key(),
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        if not result.success:
            raise RunFailed("\n".join(_said(event) for event in result.get_step_failure_events()))
        return result.run_id

    def close(self) -> None:
        self.instance.dispose()


def _said(event: dg.DagsterEvent) -> str:
    """A failed step and the words it failed with."""
    failure = event.step_failure_data
    error = failure.error
    words = error.message.strip() if error else "failed"
    description = failure.user_failure_data.description if failure.user_failure_data else None
    return f"{event.step_key}: {description or words}"
