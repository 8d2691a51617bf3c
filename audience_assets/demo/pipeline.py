"""Dagster, in this process, with a history that stays in the demo's folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import dagster as dg

from audience_assets.definitions import build_definitions
from audience_assets.demo.interrupts import Interrupts
from audience_assets.errors import AudienceError


class RunFailed(AudienceError):
    """A Dagster run of the demo did not succeed."""


@dataclass(frozen=True)
class Pipeline:
    """The project's assets on an instance kept on disk. Needs DAGSTER_HOME in the environment."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    interrupts: Interrupts

    @classmethod
    @contextmanager
    def open(cls, project: Path) -> Iterator[Self]:
        logging.getLogger("dagster").setLevel(logging.ERROR)
        with Interrupts() as interrupts, dg.DagsterInstance.get() as instance:
            yield cls(build_definitions(project), instance, interrupts)

    def materialize_everything(self) -> str:
        """Compute every segment and deliver every list in one run; its id.

        Raises KeyboardInterrupt when somebody interrupts it, which Dagster takes for a failure.
        """
        logger = dg.Definitions(loggers={"interrupts": self.interrupts.logger()})
        job = dg.Definitions.merge(self.definitions, logger).resolve_implicit_global_asset_job_def()
        partitions = job.partitions_def
        assert partitions is not None  # noqa: S101 - lists are partitioned by day
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=partitions.get_last_partition_key(),
            run_config={"loggers": {"interrupts": {}}},
            raise_on_error=False,
        )
        if any(_was_interrupted(event) for event in result.all_events if event.is_job_failure):
            raise KeyboardInterrupt
        if not result.success:
            raise RunFailed("\n".join(_said(event) for event in result.get_step_failure_events()))
        self.interrupts.check()
        return result.run_id


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    error = event.job_failure_data.error
    return error is not None and error.cls_name in ("KeyboardInterrupt", dg.DagsterExecutionInterruptedError.__name__)


def _said(event: dg.DagsterEvent) -> str:
    """A failed step and the words it failed with."""
    failure = event.step_failure_data
    error = failure.error
    words = error.message.strip() if error else "failed"
    description = failure.user_failure_data.description if failure.user_failure_data else None
    return f"{event.step_key}: {description or words}"
