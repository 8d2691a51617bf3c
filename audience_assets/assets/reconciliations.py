"""Jobs that compare lists at a vendor with our ledgers, one a destination. Nothing starts them but a person or a team's
own schedule: reading a whole list takes its time at the vendor.
"""

from collections.abc import Iterable

import dagster as dg
from pydantic import Field

from audience_assets.assets.failures import stopped
from audience_assets.assets.keys import list_key, step_name
from audience_assets.assets.resources import WAREHOUSE, DestinationResource, WarehouseResource, destination_key
from audience_assets.assets.staleness import DESTINATION_TAG
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.project import Project
from audience_assets.sync import NeverDelivered, Reconciliation, reconcile


class ReconcileConfig(dg.Config):
    """What somebody who launches a comparison can say."""

    apply: bool = Field(default=False, description="let the next delivery decide anew about members who are missing")


def build_reconciliations(project: Project) -> list[dg.JobDefinition]:
    """`reconcile_<destination>`: a step a list, whose counts are observations of the list's asset."""
    together: dict[str, list[EffectiveActivation]] = {}
    for activation in project.delivered.values():
        together.setdefault(activation.destination, []).append(activation)
    return [_job(destination, activations) for destination, activations in together.items()]


def _job(destination: str, activations: Iterable[EffectiveActivation]) -> dg.JobDefinition:
    steps = [_step(activation) for activation in activations]

    @dg.job(
        name=f"reconcile_{destination}",
        description=f"Compares every list at {destination} with what we know of it. Nothing is written at the vendor.",
        tags={DESTINATION_TAG: destination},
        executor_def=dg.in_process_executor,
    )
    def compare_all() -> None:
        for step in steps:
            step()

    return compare_all


def _step(activation: EffectiveActivation) -> dg.OpDefinition:
    key, vendor = list_key(activation), destination_key(activation.destination)

    @dg.op(
        name=f"reconcile__{step_name(key)}",
        description=f"Reads {activation.list_name} and counts who is missing there and who is not ours.",
        pool=activation.destination,
        required_resource_keys={WAREHOUSE, vendor},
    )
    def compare(context: dg.OpExecutionContext, config: ReconcileConfig) -> None:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        account: DestinationResource = getattr(context.resources, vendor)
        with stopped(f"list {activation.name}"):
            runtime = warehouse.runtime
            account.connect(runtime)
            try:
                found = reconcile(runtime, activation.name, apply=config.apply)
            except NeverDelivered as never:
                context.log.info(str(never))
                return
        context.log_event(dg.AssetObservation(key, metadata=_metadata(found)))

    return compare


def _metadata(found: Reconciliation) -> dict[str, int | bool | float]:
    return {
        "at_vendor": found.at_vendor,
        "in_both": found.in_both,
        "missing_at_vendor": found.missing,
        "unconfirmed": found.unconfirmed,
        "undecided": found.undecided,
        "not_ours": found.not_ours,
        "asked_by_us": found.asked_by_us,
        "applied": found.applied,
        "seconds": found.seconds,
    }
