"""Do models and relationships make sense: keys, times, base filters, both sides of every relationship."""

from __future__ import annotations

from audience_assets.project.check_conditions import ConditionCheck, Scope
from audience_assets.project.fields import Fields
from audience_assets.project.models import FieldType, Model, Relationship
from audience_assets.project.names import check_field_name, check_slug
from audience_assets.project.operators import TEMPORAL_TYPES
from audience_assets.project.places import Place

KEY_TYPES: tuple[FieldType, ...] = ("integer", "text", "uuid")


def check_models(fields: Fields, conditions: ConditionCheck, place: Place) -> None:
    """Every model of `project.yaml`; `place` is the file's root."""
    for name, model in fields.settings.models.items():
        at = place.at("models", name)
        check_slug(name, "model", at)
        for field in model.fields:
            check_field_name(field, at.at("fields", field))
        _check_table(model, at)
        _check_key(model, at)
        _check_timestamp(model, at)
        if model.watermark is not None:
            fields.own(name, model.watermark, at.at("watermark"))
        if model.base_filter is not None:
            conditions.check(model.base_filter, at.at("base_filter"), Scope(name, rows_only=True))
    models = fields.settings.models
    if not fields.damaged and not any(model.type == "users" for model in models.values()):
        place.at("models").report("no model has `type: users`", "a segment is a set of users")


def _check_table(model: Model, place: Place) -> None:
    parts = model.table.split(".")
    if len(parts) > 3 or not all(part.strip() == part and part for part in parts):
        place.at("table").report(f"{model.table!r} is not a table: write table or schema.table")


def _check_key(model: Model, place: Place) -> None:
    declared = model.fields.get(model.key)
    if declared is None:
        check_field_name(model.key, place.at("key"))
    elif declared.type not in KEY_TYPES:
        place.at("fields", model.key).report(f"a key is integer, text or uuid, not {declared.type}")
    elif declared.type != model.key_type:
        place.at("key").report(
            f"the field {model.key!r} is {declared.type} but the key's type is {model.key_type}",
            f"write key_type: {declared.type}",
        )


def _check_timestamp(model: Model, place: Place) -> None:
    if model.timestamp is None:
        if model.type == "events" or model.role == "consent":
            place.report("an events model needs `timestamp`: the field that says when the event happened")
        return
    declared = model.fields.get(model.timestamp)
    if declared is None:
        check_field_name(model.timestamp, place.at("timestamp"))
    elif declared.type not in TEMPORAL_TYPES:
        place.at("timestamp").report(f"{model.timestamp!r} is {declared.type}; it must be a timestamp or a date")


def relationship_is_sound(relationship: Relationship, fields: Fields, known: set[str], place: Place) -> bool:
    """Whether both models and the joined fields are there. `known` also holds models that could not be read."""
    sides = {"from": relationship.from_, "to": relationship.to}
    for side, model in sides.items():
        if model not in known:
            place.at(side).unknown("model", model, sorted(known))
    if not all(model in fields.settings.models for model in sides.values()):
        return False
    one, field_names = _one_side(relationship)
    target = fields.settings.models[one]
    for field in field_names:
        if field != target.key and field not in target.fields:
            if not fields.may_be(one, field):
                valid = [target.key, *target.fields]
                place.at("on").unknown("field", field, valid, where=f"in the model {one!r}")
            return False
    if relationship.kind == "belongs_to" and target.key not in field_names:
        place.at("on").report(
            f"a row must belong to one row of {one!r}: join with its key {target.key!r}",
            f"write on: {{{next(iter(relationship.on))}: {target.key}}}",
        )
        return False
    return True


def _one_side(relationship: Relationship) -> tuple[str, list[str]]:
    """The model of which there is one for many, and its joined fields."""
    if relationship.kind == "has_many":
        return relationship.from_, list(relationship.on)
    return relationship.to, list(relationship.on.values())


def is_told_apart(relationship: Relationship, first: dict[tuple[str, str], Place], place: Place) -> bool:
    """Whether no relationship before this one goes by its name; `first` is filled on the way."""
    name = relationship.name or relationship.to
    before = first.setdefault((relationship.from_, name), place)
    if before is not place:
        what = f"called {name!r}" if relationship.name else f"to {name!r} without a name"
        place.report(f"a second relationship from {relationship.from_!r} {what}", f"the first is {before.source}")
    return before is place


def check_relationships(fields: Fields, places: list[Place]) -> None:
    """Joined fields are of like type. `places` are parallel to the relationships."""
    for relationship, place in zip(fields.settings.relationships, places, strict=True):
        for here, there in relationship.on.items():
            left = fields.plain_type(relationship.from_, here)
            right = fields.plain_type(relationship.to, there)
            if left != right:
                sides = f"{relationship.from_}.{here} is {left} and {relationship.to}.{there} is {right}"
                place.at("on").report(f"{sides}: they can't be equal")
