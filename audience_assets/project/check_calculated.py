"""Do calculated fields make sense: aggregates over related models, formulas, no circles."""

from __future__ import annotations

from collections.abc import Iterator

from audience_assets.project.check_conditions import ConditionCheck, Scope
from audience_assets.project.check_values import check_duration
from audience_assets.project.conditions import All, Any_, Condition, FieldCondition, Not, Related
from audience_assets.project.fields import Fields
from audience_assets.project.formula import names, parse_formula
from audience_assets.project.graphs import cycles
from audience_assets.project.measures import measure_type, parse_measure
from audience_assets.project.models import CalculatedField
from audience_assets.project.names import check_field_name
from audience_assets.project.operators import NUMERIC_TYPES
from audience_assets.project.places import Place

Key = tuple[str, str]  # model, calculated field


def check_calculated(fields: Fields, conditions: ConditionCheck, place: Place) -> bool:
    """Every calculated field; `place` is the root of `project.yaml`. False if some refer to each other in a circle."""
    references: dict[Key, list[Key]] = {}
    for model, calculated in fields.settings.calculated_fields.items():
        at = place.at("calculated_fields", model)
        if model not in fields.settings.models:
            if model not in fields.damaged:
                at.unknown("model", model, fields.settings.models)
            continue
        for name, field in calculated.items():
            check_field_name(name, at.at(name))
            if name in fields.settings.models[model].fields or name == fields.settings.models[model].key:
                at.at(name).report(f"the model {model!r} already has a field {name!r}")
            references[(model, name)] = list(_references(fields, model, field))
            _check_one(fields, conditions, model, field, at.at(name))
    circles = cycles(references)
    for circle in circles:
        model, name = circle[0]
        path = " -> ".join(f"{model}.{name}" for model, name in circle)
        place.at("calculated_fields", model, name).report(f"is calculated from itself: {path}")
    return not circles


def _check_one(fields: Fields, conditions: ConditionCheck, model: str, field: CalculatedField, place: Place) -> None:
    if (field.formula is None) == (field.aggregate is None):
        place.report("a calculated field has either `aggregate` (with `over`) or `formula`")
    elif field.formula is not None:
        for key in ("over", "within", "where"):
            if getattr(field, key) is not None:
                place.at(key).report(f"`{key}` goes with `aggregate`, not with `formula`")
        _check_formula(fields, model, field.formula, place.at("formula"))
    else:
        _check_aggregate(fields, conditions, model, field, place)


def _check_formula(fields: Fields, model: str, text: str, place: Place) -> None:
    try:
        tree = parse_formula(text)
    except ValueError as error:
        place.report(str(error))
        return
    for name in dict.fromkeys(names(tree)):
        kind = fields.resolve(model, name, place)
        if kind is not None and kind not in NUMERIC_TYPES:
            place.report(f"{name!r} is {kind}; a formula takes numbers")


def _check_aggregate(
    fields: Fields, conditions: ConditionCheck, model: str, field: CalculatedField, place: Place
) -> None:
    if field.within is not None:
        check_duration(field.within, place.at("within"))
    if field.over is None:
        place.report("`aggregate` needs `over`: the related model")
    link = fields.to_many(model, field.over, place.at("over")) if field.over is not None else None
    try:
        measure = parse_measure(field.aggregate)
        if link is not None and measure.field is not None:
            kind = fields.resolve(link.model, measure.field, place.at("aggregate"))
            if kind is not None:
                measure_type(measure, kind)
    except ValueError as error:
        place.at("aggregate").report(str(error))
    if link is None:
        return
    if field.within is not None and fields.lacks_time(link.model):
        place.at("within").report(f"the model {link.model!r} has no timestamp to be within")
    if field.where is not None:
        conditions.check(field.where, place.at("where"), Scope(link.model, hops=1))


def _references(fields: Fields, model: str, field: CalculatedField) -> Iterator[Key]:
    """Calculated fields that this one is made from."""
    named: list[tuple[str, str]] = []
    if field.formula is not None:
        try:
            named += [(model, name) for name in names(parse_formula(field.formula))]
        except ValueError:
            return
    link = fields.to_many(model, field.over, Place.nowhere()) if field.over else None
    if link is not None:
        try:
            measured = parse_measure(field.aggregate).field
        except ValueError:
            measured = None
        named += [(link.model, measured)] if measured else []
        named += _named(fields, link.model, field.where) if field.where else []
    for start, path in named:
        found = fields.owner(start, path)
        if found and found[1] in fields.settings.calculated_fields.get(found[0], {}):
            yield found


def _named(fields: Fields, model: str, node: Condition) -> Iterator[tuple[str, str]]:
    match node:
        case All(all=children) | Any_(any=children):
            for child in children:
                yield from _named(fields, model, child)
        case Not(not_=child):
            yield from _named(fields, model, child)
        case FieldCondition(field=name, value=value):
            yield model, name
            if isinstance(value, dict) and isinstance(value.get("field"), str):
                yield model, value["field"]
        case Related(related=related, where=where):
            link = fields.to_many(model, related, Place.nowhere())
            if link and node.measure and ":" in node.measure:
                yield link.model, node.measure.partition(":")[2].strip()
            if link and where:
                yield from _named(fields, link.model, where)
