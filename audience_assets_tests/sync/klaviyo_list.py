"""A warehouse whose one audience is a Klaviyo subscription list: users, their consent events, one activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from audience_assets.destinations.base import DestinationType
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project import activations
from audience_assets.project.models import Model, ModelField, Relationship, Segment
from audience_assets.project.project import Project, ProjectFile, WarehouseSettings
from audience_assets.runtime import Runtime
from audience_assets.warehouse.column_types import UtcDateTime
from audience_assets.warehouse.state import State

ACTIVATION = "vips"
LIST_NAME = "VIPs"
KEY = "pk_test_0123456789abcdef"

METADATA = sa.MetaData()
USERS = sa.Table(
    "users",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("phone", sa.String),
)
CONSENTS = sa.Table(
    "consents",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("channel", sa.String),
    sa.Column("status", sa.String),
    sa.Column("at", UtcDateTime),
)

_TEXT = ModelField(type="text")
_MODELS = {
    "users": Model(type="users", table="users", key="id", key_type="integer", fields={"email": _TEXT, "phone": _TEXT}),
    "consents": Model(
        type="events",
        role="consent",
        table="consents",
        key="id",
        key_type="integer",
        timestamp="at",
        fields={
            "user_id": ModelField(type="integer"),
            "channel": _TEXT,
            "status": _TEXT,
            "at": ModelField(type="timestamp"),
        },
    ),
}
_CONSENTS_OF_USERS = Relationship.model_validate(
    {"from": "users", "to": "consents", "kind": "has_many", "on": {"id": "user_id"}}
)


def make_project(
    root: Path, engine: sa.Engine, base_url: str, *, key: str, channels: tuple[str, ...], import_history: bool
) -> Project:
    identifiers = {"email": "email"} | ({"phone": "phone"} if "sms" in channels else {})
    activation = activations.EffectiveActivation(
        name=ACTIVATION,
        audience="vips",
        model="users",
        destination="klaviyo",
        destination_type="klaviyo",
        service="klaviyo.subscription_list",
        list_name=LIST_NAME,
        mapping=activations.Mapping(identifiers=identifiers),
        consent=activations.ConsentSettings(
            import_history=import_history, history=activations.ConsentEvents(model="consents")
        ),
        options={"channels": list(channels), "opt_in_process": "single_opt_in"},
        schedule=activations.Schedule(),
        trigger="on_change",
        guard=activations.Guard(min_size=0, max_removed_percent=100),
        foreign="keep",
        owners=[],
        tags={},
        fresh_within="26h",
        description=None,
        origins={},
    )
    settings = {
        "api_key": key,
        "base_url": base_url,
        "tries": 3,
        "first_wait_seconds": 0,
        "settle_seconds": 0,
    }
    url = engine.url.render_as_string(hide_password=False)
    return Project(
        root=root,
        settings=ProjectFile(
            project="vips",
            warehouse=WarehouseSettings(url=url),
            models=_MODELS,
            relationships=[_CONSENTS_OF_USERS],
        ),
        segments={"vips": Segment(segment="vips")},
        destinations={"klaviyo": activations.Destination(type="klaviyo", settings=settings)},
        activations={},
        effective={ACTIVATION: activation},
    )


def make_runtime(
    folder: Path,
    engine: sa.Engine,
    base_url: str,
    *,
    key: str = KEY,
    channels: tuple[str, ...] = ("email",),
    import_history: bool = False,
    destinations: Mapping[str, DestinationType] = DESTINATIONS,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Runtime:
    """A runtime on a warehouse with empty tables, made where they lack."""
    project = make_project(folder, engine, base_url, key=key, channels=channels, import_history=import_history)
    runtime = Runtime(project, engine, State(engine), folder, destinations, now)
    runtime.state.create()
    METADATA.create_all(engine)
    segment = runtime.state.segment("vips", "integer")
    segment.create(engine, checkfirst=True)
    return runtime
