"""Warehouse tables as external assets: somebody else writes them, we know when they change."""

from __future__ import annotations

import dagster as dg

from audience_assets.assets.keys import SOURCES, source_key
from audience_assets.assets.statements import dialect_name
from audience_assets.project.models import Model, ModelField
from audience_assets.project.project import Project

KIND_ICONS = {"postgresql": "postgres"}


def warehouse_kind(project: Project) -> str:
    """The warehouse's name in Dagster's list of icons."""
    dialect = dialect_name(project)
    return KIND_ICONS.get(dialect, dialect)


def build_sources(project: Project) -> list[dg.AssetSpec]:
    """One external asset for every model's table; a consent model is the consent history.

    A model that names an upstream asset has none here: that asset is declared where it is made, and two declarations of
    one key could not be merged.
    """
    kind = warehouse_kind(project)
    return [_source(name, model, kind) for name, model in project.models.items() if not model.asset_key]


def _source(name: str, model: Model, kind: str) -> dg.AssetSpec:
    role = "consent" if model.role == "consent" else model.type
    return dg.AssetSpec(
        key=source_key(name, model),
        description=_description(model, role),
        group_name=SOURCES,
        kinds={kind, "table"},
        tags={"audience_assets/model": name, "audience_assets/role": role},
        metadata={
            "dagster/table_name": model.table,
            "dagster/column_schema": dg.TableSchema(columns=_columns(model)),
            "key": model.key,
            **({"watermark": marker} if (marker := model.watermark or model.timestamp) else {}),
        },
    )


def _description(model: Model, role: str) -> str:
    what = {
        "users": "Users model: one row a person, the people that segments are made of.",
        "events": "Events model: one row each time something happened.",
        "custom": "Custom model, related to the others.",
        "consent": "Consent history: one row each time somebody opted in or out.",
    }[role]
    return f"{model.description}\n\n{what}" if model.description else what


def _columns(model: Model) -> list[dg.TableColumn]:
    key = dg.TableColumn(
        model.fields[model.key].column or model.key if model.key in model.fields else model.key,
        type=model.key_type,
        description="key",
        constraints=dg.TableColumnConstraints(nullable=False, unique=True),
    )
    others = [_column(name, field) for name, field in model.fields.items() if name != model.key]
    if model.timestamp and model.timestamp not in model.fields:
        others.insert(0, dg.TableColumn(model.timestamp, type="timestamp", description="when it happened"))
    return [key, *others]


def _column(name: str, field: ModelField) -> dg.TableColumn:
    notes = [field.description or "", "personal data" if field.pii else ""]
    return dg.TableColumn(
        field.column or name,
        type=field.type,
        description="; ".join(note for note in notes if note) or None,
        tags={"pii": ""} if field.pii else {},
    )
