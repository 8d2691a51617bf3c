"""Destination lists as assets: materializing one makes the vendor's list equal its audience."""

import hashlib
import time
from collections.abc import Callable, Iterator

import dagster as dg
from pydantic import Field

from audience_assets.assets.campaign_deliveries import list_delivery, told_of_campaign
from audience_assets.assets.checks import guard_failed, guard_passed, list_check_specs, rejection_rate
from audience_assets.assets.failures import DELIVERY_RETRIES, stopped
from audience_assets.assets.keys import audience_key, list_key, source_key, step_name
from audience_assets.assets.reports import delivery_metadata
from audience_assets.assets.resources import (
    CONSENT,
    WAREHOUSE,
    ConsentHistory,
    DestinationResource,
    WarehouseResource,
    destination_key,
)
from audience_assets.assets.statements import Statements
from audience_assets.assets.sync_day import SyncDays
from audience_assets.assets.texts import list_text
from audience_assets.audiences.definition import models_hash
from audience_assets.audiences.mapped import joined_fields
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.project import Project
from audience_assets.project.times import parse_duration
from audience_assets.runtime import Runtime
from audience_assets.sync import GuardTripped, Progress, SyncReport, latest_syncs, run_sync

# Settings that decide what is sent; the others only when and by whom.
DELIVERED_SETTINGS = {
    "service",
    "list_name",
    "mapping",
    "constants",
    "consent",
    "options",
    "foreign",
    "on_duplicate",
    "audience",
    "destination",
}
PARTIAL = "partial"
FEW = 10
LOG_EVERY_SECONDS = 15.0


class DeliveryConfig(dg.Config):
    """What somebody who launches a delivery can say."""

    approve: str | None = Field(default=None, description="name of a plan that a guard stopped and that is right")
    recreate: bool = Field(
        default=False, description="start a list anew that was deleted, or whose destination changed"
    )


def build_list(
    statements: Statements,
    activation: EffectiveActivation,
    days: SyncDays,
    retries: dg.RetryPolicy = DELIVERY_RETRIES,
) -> dg.AssetsDefinition:
    """The asset of one activation's list."""
    key = list_key(activation)
    service = DESTINATIONS[activation.destination_type].services[activation.service]
    vendor = destination_key(activation.destination)

    @dg.asset(
        key=key,
        deps=list_inputs(statements, activation),
        description=list_text(activation, service),
        group_name=activation.destination,
        owners=activation.owners,
        tags={**activation.tags, "audience_assets/trigger": activation.trigger},
        kinds={activation.destination_type, "list"},
        metadata={"list_name": activation.list_name, "service": activation.service, "audience": activation.audience},
        partitions_def=days.definition,
        pool=activation.destination,
        code_version=settings_hash(statements.project, activation),
        check_specs=list_check_specs(activation),
        freshness_policy=freshness(activation),
        retry_policy=retries,
        required_resource_keys={WAREHOUSE, CONSENT, vendor},
    )
    def deliver(
        context: dg.AssetExecutionContext, config: DeliveryConfig
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        account: DestinationResource = getattr(context.resources, vendor)
        consent: ConsentHistory = getattr(context.resources, CONSENT)
        days.refuse_older(context)
        try:
            with told_of_campaign(context, warehouse, statements.project, activation):
                report = _sync(context, warehouse, account, activation, config)
        except GuardTripped as tripped:
            yield guard_failed(tripped)
            yield rejection_rate(warehouse.runtime, activation.name, tripped.plan.counts.audience_users)
            raise _refusal(tripped, key) from None
        metadata = {**delivery_metadata(report), **list_delivery(warehouse, activation, report)}
        mapping = consent.mapping(activation.name)
        yield dg.MaterializeResult(
            metadata={**metadata, **({"consent": mapping} if mapping else {})},
            check_results=[
                guard_passed(report),
                rejection_rate(warehouse.runtime, activation.name, report.counts.audience_users),
            ],
        )

    assert deliver.op.name == step_name(key)  # noqa: S101 - run config and notices name steps by it
    return deliver


def list_inputs(statements: Statements, activation: EffectiveActivation) -> list[dg.AssetKey]:
    """What a delivery reads: the segment, the mapped columns' models, and the consent events."""
    models = statements.models_behind(activation)
    if activation.consent.history:
        models.append(activation.consent.history.model)
    sources = (source_key(name, statements.project.models[name]) for name in dict.fromkeys(models))
    return [audience_key(statements.project, activation.audience), *sources]


def settings_hash(project: Project, activation: EffectiveActivation) -> str:
    """Changes when a setting does that decides what is sent, or the meaning of a joined or calculated field."""
    text = activation.model_dump_json(include=DELIVERED_SETTINGS)
    if joined_fields(project, activation):
        text += models_hash(project.settings)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def freshness(activation: EffectiveActivation) -> dg.FreshnessPolicy | None:
    """How old the last delivery may be, if it may not be of any age."""
    if activation.fresh_within is None:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=parse_duration(activation.fresh_within).exact())


def _sync(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    account: DestinationResource,
    activation: EffectiveActivation,
    config: DeliveryConfig,
) -> SyncReport:
    """Deliver. Raises GuardTripped, or Failure for everything else that stops it."""
    with stopped(f"list {activation.name}"):
        runtime = warehouse.runtime
        account.connect(runtime)
        report = run_sync(
            runtime,
            activation.name,
            as_of=runtime.now(),
            partition=context.partition_key,
            approve=config.approve,
            recreate=config.recreate,
            progress=_log_progress(context),
        )
        _insist(context, runtime, report, list_key(activation))
    return report


def _log_progress(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Tell the run's log now and then: every line is a row in Dagster's storage."""
    next_at = time.monotonic() + LOG_EVERY_SECONDS
    named = False

    def told(progress: Progress) -> None:
        nonlocal next_at, named
        if progress.list_name and not named:
            named = True
            facts = ", ".join(f"{name} {fact}" for name, fact in progress.list_facts.items())
            context.log.info("delivering to the list %s: %s", progress.list_name, facts or "as it is")
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + LOG_EVERY_SECONDS
            context.log.info("%s: %d of %d changes", progress.phase, progress.done, progress.total)

    return told


def _insist(context: dg.AssetExecutionContext, runtime: Runtime, report: SyncReport, key: dg.AssetKey) -> None:
    """Raise Failure, which is tried again, when an outage cut the delivery short. What was accepted is not sent twice.

    A few rows that the vendor has not decided are no outage, even if there was nothing else to do: somebody whom one
    list has just opted out enters another next time. They are counted as undecided, and asked for again.
    """
    told = f"{report.state}: +{report.added} -{report.removed} ~{report.updated}, {report.members_after} members"
    context.log.info(told)
    if report.state != PARTIAL:
        return
    error = latest_syncs(runtime)[report.activation]["error"]
    if error or (report.retry > FEW and not report.added + report.updated + report.removed):
        context.log_event(dg.AssetObservation(key, metadata=delivery_metadata(report)))
        raise dg.Failure(f"{report.activation}: {report.retry:,} changes are not delivered yet. {error or ''}".rstrip())


def _refusal(tripped: GuardTripped, key: dg.AssetKey) -> dg.Failure:
    approval = f"ops: {{{step_name(key)}: {{config: {{approve: {tripped.plan.fingerprint}}}}}}}"
    return dg.Failure(
        f"{tripped}; or materialize the asset's latest partition with this config (Config, Add config): {approval}",
        metadata={
            "violations": dg.MetadataValue.md("\n".join(f"- {each}" for each in tripped.plan.violations)),
            "approve": tripped.plan.fingerprint or "",
            "run_config": approval,
        },
        allow_retries=False,
    )
