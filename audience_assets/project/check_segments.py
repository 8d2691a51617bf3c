"""Do segments make sense: their users model, conditions, order, owners, and no circles among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audience_assets.project.check_conditions import ConditionCheck, leaves
from audience_assets.project.conditions import Condition, SegmentMember
from audience_assets.project.graphs import cycles, depth
from audience_assets.project.models import Model, Segment
from audience_assets.project.names import check_owners, check_tag
from audience_assets.project.places import Place
from audience_assets.project.validation import salvage

DEEPEST_REFERENCES = 10


def users_model(segment: Segment, models: Mapping[str, Model]) -> str | None:
    """The users model a segment is built on; None if there is no such model, or no telling which."""
    users = [name for name, model in models.items() if model.type == "users"]
    if segment.model is not None:
        return segment.model if segment.model in users else None
    return users[0] if len(users) == 1 else None


def check_segment(segment: Segment, conditions: ConditionCheck, place: Place) -> None:
    """One segment by itself."""
    check_owners(segment.owners, place.at("owners"))
    for index, tag in enumerate(segment.tags):
        check_tag(tag, "", place.at("tags", index))
    if place.at("where").written and segment.where is None:
        place.at("where").report("is empty", "leave `where` out if the segment is everybody")
    model = _check_model(segment, conditions, place)
    if model is None:
        return
    if segment.where is not None:
        conditions.check_tree(segment.where, place.at("where"), model)
    if segment.limit is not None:
        conditions.check_order(model, segment.limit.by, place.at("limit", "by"))


def check_segment_remains(data: Mapping[str, Any], conditions: ConditionCheck, place: Place) -> None:
    """What can still be judged of a segment whose form has mistakes, which have been reported."""
    remains = salvage(Segment, data, place)
    if remains is not None and (remains[0].where is not None or not place.at("where").written):
        check_segment(remains[0], conditions, remains[1])


def _check_model(segment: Segment, conditions: ConditionCheck, place: Place) -> str | None:
    models = conditions.fields.settings.models
    found = users_model(segment, models)
    if found is not None or (segment.model or "") in conditions.fields.damaged:
        return found
    users = [name for name, model in models.items() if model.type == "users"]
    if segment.model in models:
        place.at("model").report(f"{segment.model!r} is no users model", f"there is {', '.join(users)}")
    elif segment.model is not None:
        place.at("model").unknown("users model", segment.model, users)
    elif len(users) > 1:
        place.report("there are several users models: say which in `model`", f"there is {', '.join(users)}")
    return None


def check_references(segments: Mapping[str, Segment], places: Mapping[str, Place]) -> None:
    """No segment is made from itself, and chains of segments stay short."""
    references = {
        name: [target for target in referenced(segment.where) if target in segments]
        for name, segment in segments.items()
    }
    circles = cycles(references)
    for circle in circles:
        places[circle[0]].at("where").report(f"the segment is made from itself: {' -> '.join(circle)}")
    if circles:
        return
    for name in segments:
        reached = depth(references, name)
        if reached == DEEPEST_REFERENCES + 1:
            places[name].at("where").report(f"segments refer to each other more than {DEEPEST_REFERENCES} deep")


def referenced(where: Condition | None) -> Iterator[str]:
    """Segments that a condition names."""
    for leaf in leaves(where) if where is not None else ():
        if isinstance(leaf, SegmentMember):
            yield leaf.segment
