"""An asset check of each consent history: whether its words mean something to the lists that read it."""

# Not postponed: Dagster reads the annotation of a check's context as it is.
from collections.abc import Iterable

import dagster as dg

from audience_assets.assets.keys import source_key
from audience_assets.assets.resources import WAREHOUSE, WarehouseResource
from audience_assets.consent.words import consent_histories, unread_words
from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.project import Project

WORDS = "words"


def build_consent_checks(project: Project) -> list[dg.AssetChecksDefinition]:
    """One for each consent events model that an activation reads. The schedules of its lists run it."""
    return [_words(project, model) for model in sorted(consent_histories(project))]


def words_selection(project: Project, activations: Iterable[EffectiveActivation]) -> dg.AssetSelection:
    """The checks of the histories that these activations read."""
    models = {each.consent.history.model for each in activations if each.consent.history}
    return dg.AssetSelection.checks(*(_key(project, model) for model in sorted(models)))


def _key(project: Project, model: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(source_key(model, project.models[model]), WORDS)


def _words(project: Project, model: str) -> dg.AssetChecksDefinition:
    key = _key(project, model)

    @dg.asset_check(
        asset=key.asset_key,
        name=WORDS,
        description="Each channel and status is one that the lists know: an opt-out under another name is not seen.",
        required_resource_keys={WAREHOUSE},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        warehouse: WarehouseResource = getattr(context.resources, WAREHOUSE)
        unread = unread_words(warehouse.runtime, model)
        return dg.AssetCheckResult(
            passed=not unread,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"unread": dg.MetadataValue.md("\n\n".join(unread))} if unread else {},
        )

    return check
