"""A project's people as contacts of a sandbox, so that a new project has somebody to find there."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.mapped import mapped_users
from audience_assets.destinations.identifiers import normal_email, normal_phone
from audience_assets.project.activations import EffectiveActivation
from audience_assets.runtime import Runtime

# Columns that are addresses, or say how to read one.
ADDRESSES = frozenset({"email", "phone", "region"})


def contacts(runtime: Runtime, vendor: str, percent: int) -> Iterator[dict[str, str]]:
    """The identifiers of a fixed share of the people whose lists go to a vendor, normalised."""
    dice = random.Random(0)  # noqa: S311 - the same people every time
    for activation in _one_a_model(runtime, vendor):
        with runtime.engine.connect() as connection:
            for row in connection.execute(_people(runtime, activation)).mappings():
                contact = _contact(row, activation.mapping.default_region)
                if contact and dice.random() * 100 < percent:
                    yield contact


def _one_a_model(runtime: Runtime, vendor: str) -> list[EffectiveActivation]:
    every = [each for each in runtime.project.effective.values() if each.destination_type == vendor]
    return list({each.model: each for each in reversed(every)}.values())


def _people(runtime: Runtime, activation: EffectiveActivation) -> sa.Select[Any]:
    mapping, key = activation.mapping, runtime.project.models[activation.model].key
    fields = {**mapping.identifiers, **({"region": mapping.region} if mapping.region else {})}
    wanted = {key, *fields.values()}
    users = mapped_users(runtime.project, activation.model, wanted, runtime.now(), runtime.state)
    columns = [users.values[field].label(name) for name, field in fields.items()]
    return sa.select(*columns).select_from(users.joined()).order_by(users.values[key])


def _contact(row: Any, default_region: str | None) -> dict[str, str]:
    email = normal_email(row.get("email"))
    phone = normal_phone(row.get("phone"), row.get("region") or default_region)
    others = {name: str(value).strip() for name, value in row.items() if value is not None and name not in ADDRESSES}
    found = {"email": email, "phone": phone, **others}
    return {name: value for name, value in found.items() if isinstance(value, str) and value}
