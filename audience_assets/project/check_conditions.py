"""Do condition trees make sense: every name, operator and value, and the limits that keep them readable and fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from audience_assets.project.check_values import check_duration, check_field_value, check_measure_value, check_window
from audience_assets.project.conditions import (
    All,
    Any_,
    Condition,
    Consent,
    FieldCondition,
    Not,
    Rank,
    Received,
    Related,
    Sample,
    SegmentMember,
    UploadedList,
)
from audience_assets.project.fields import Fields
from audience_assets.project.measures import parse_measure
from audience_assets.project.operators import NUMERIC_TYPES, TEMPORAL_TYPES
from audience_assets.project.places import Place, nearest

DEEPEST = 8
MOST_LEAVES = 200
MOST_TO_MANY_HOPS = 2
ORDERABLE = NUMERIC_TYPES | TEMPORAL_TYPES
_SALT = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


@dataclass(frozen=True)
class Scope:
    """Where in the tree a condition stands: its model, how many to-many hops down, how many levels deep.

    `rows_only` is a base filter, which may ask for nothing but the row itself.
    """

    model: str
    hops: int = 0
    depth: int = 1
    rows_only: bool = False

    def deeper(self) -> Scope:
        return replace(self, depth=self.depth + 1)


@dataclass(frozen=True)
class ConditionCheck:
    """`segments` and `campaigns` map every declared one to its users model, None where that can't be told."""

    fields: Fields
    segments: Mapping[str, str | None]
    root: Path
    campaigns: Mapping[str, str | None] = field(default_factory=dict)

    def check_tree(self, node: Condition, place: Place, model: str) -> None:
        """A segment's whole `where`, with the limit on its size."""
        found = sum(1 for _ in leaves(node))
        if found > MOST_LEAVES:
            place.report(f"{found} conditions are more than {MOST_LEAVES}", "split the segment, or upload a list")
        self.check(node, place, Scope(model))

    def check(self, node: Condition, place: Place, scope: Scope) -> None:
        """One node and everything below it."""
        if scope.depth > DEEPEST:
            place.report(f"conditions are nested more than {DEEPEST} deep", "move a part into a segment of its own")
            return
        if isinstance(node, All | Any_ | Not):
            self._check_group(node, place, scope)
        elif isinstance(node, FieldCondition):
            self._check_field(node, place, scope)
        elif scope.rows_only:
            place.report("a base_filter is made of conditions on fields of the row, grouped by all, any and not")
        elif isinstance(node, Related):
            self._check_related(node, place, scope)
        elif scope.hops:
            place.report("this condition is about users and can't stand inside the `where` of a related model")
        else:
            self._check_about_users(node, place, scope)

    def _check_group(self, node: All | Any_ | Not, place: Place, scope: Scope) -> None:
        if isinstance(node, Not):
            self.check(node.not_, place.at("not"), scope.deeper())
            return
        key, children = ("all", node.all) if isinstance(node, All) else ("any", node.any)
        for index, child in enumerate(children):
            self.check(child, place.at(key, index), scope.deeper())

    def _check_about_users(
        self, node: SegmentMember | Consent | Received | Sample | Rank | UploadedList, place: Place, scope: Scope
    ) -> None:
        match node:
            case SegmentMember():
                self._check_segment(node, place, scope)
            case Consent():
                self._check_consent(node, place, scope)
            case Received():
                self._check_received(node, place.at("received"), scope)
            case Sample():
                if not _SALT.fullmatch(node.sample.salt):
                    place.at("sample", "salt").report(
                        f"{node.sample.salt!r} is not a salt: use lower-case letters, digits, _ and -"
                    )
            case Rank():
                self._check_rank(node, place.at("rank"), scope)
            case UploadedList():
                self._check_list(node, place.at("list"))
            case _:
                assert_never(node)

    def _check_field(self, node: FieldCondition, place: Place, scope: Scope) -> None:
        if scope.rows_only and node.field in self.fields.settings.calculated_fields.get(scope.model, {}):
            place.at("field").report(f"{node.field!r} is calculated; a base_filter takes fields of the table only")
            return
        kind = self.fields.resolve(scope.model, node.field, place.at("field"))
        if kind is not None:
            check_field_value(node, kind, self.fields, scope.model, place)

    def _check_related(self, node: Related, place: Place, scope: Scope) -> None:
        if scope.hops >= MOST_TO_MANY_HOPS:
            place.report(f"related conditions follow at most {MOST_TO_MANY_HOPS} has_many relationships")
            return
        self._check_quantity(node, place)
        link = self.fields.to_many(scope.model, node.related, place.at("related"))
        if node.window is not None:
            check_window(node.window, place.at("window"))
        if link is None:
            return
        if node.window is not None and self.fields.lacks_time(link.model):
            place.at("window").report(f"the model {link.model!r} has no timestamp, so it can't have a window")
        if node.measure is not None:
            self._check_measure(node.measure, link.model, place.at("measure"))
        if node.where is not None:
            inner = replace(scope.deeper(), model=link.model, hops=scope.hops + 1)
            self.check(node.where, place.at("where"), inner)

    def _check_quantity(self, node: Related, place: Place) -> None:
        """A quantifier, or a measure compared with a value; neither means at least one row."""
        if node.quantifier is not None:
            for key in ("measure", "op", "value"):
                if getattr(node, key) is not None:
                    place.at(key).report(f"`{key}` can't stand beside `quantifier`")
            if node.quantifier == "all" and node.where is None:
                place.report("`quantifier: all` needs `where`: what has to hold for all rows")
        elif node.op is not None:
            check_measure_value(node.op, node.value, place)
        elif node.measure is not None or node.value is not None:
            place.report(f"`{'measure' if node.measure else 'value'}` needs `op`, for example op: gte")
        if node.bounds != "[]" and node.op not in ("between",):
            place.at("bounds").report("`bounds` goes with between")

    def _check_measure(self, text: str, model: str, place: Place) -> None:
        try:
            measure = parse_measure(text)
        except ValueError as error:
            place.report(str(error))
            return
        kind = self.fields.resolve(model, measure.field, place) if measure.field else None
        if kind is not None and measure.function != "count_distinct" and kind not in NUMERIC_TYPES:
            hint = "make it a calculated field" if kind in TEMPORAL_TYPES else None
            place.report(f"{measure.function} needs a number; {measure.field!r} is {kind}", hint)

    def _check_segment(self, node: SegmentMember, place: Place, scope: Scope) -> None:
        if node.segment not in self.segments:
            place.at("segment").unknown("segment", node.segment, self.segments)
        else:
            model = self.segments[node.segment]
            if model is not None and model != scope.model:
                place.at("segment").report(
                    f"{node.segment!r} is a segment of {model!r}; this condition is about {scope.model!r}"
                )
        for key in ("joined_within", "left_within"):
            text = getattr(node, key)
            if text is not None:
                check_duration(text, place.at(key))
        if node.joined_within is not None and node.left_within is not None:
            place.at("left_within").report("who has left is no member: choose joined_within or left_within")

    def _check_consent(self, node: Consent, place: Place, scope: Scope) -> None:
        if node.consent.at is not None:
            check_window(node.consent.at, place.at("consent", "at"))
        models = self.fields.settings.models
        links = [link for link in self.fields.links(scope.model) if link.to_many and link.model in models]
        found = [link.model for link in links if models[link.model].role == "consent"]
        if len(found) != 1 and not self.fields.damaged:
            what = "no model" if not found else "more than one model"
            place.report(
                f"a consent condition needs one model with `role: consent` that {scope.model!r} has many of; "
                f"there is {what}"
            )
        for model in found if len(found) == 1 else ():
            declared = models[model].fields
            for name in {"channel", "status"} - set(declared):
                if not self.fields.may_be(model, name):
                    place.report(f"the consent model {model!r} has no field {name!r}", nearest(name, declared))

    def _check_received(self, node: Received, place: Place, scope: Scope) -> None:
        name, within = node.received.campaign, node.received.within
        if within is not None:
            check_duration(within, place.at("within"))
        if name is None:
            return
        if node.received.at_least > 1:
            place.at("at_least").report("counts campaigns, and only one is named", "leave out `campaign`")
        if name not in self.campaigns:
            place.at("campaign").unknown("campaign", name, self.campaigns)
        elif self.campaigns[name] not in (None, scope.model):
            place.at("campaign").report(
                f"{name!r} is a campaign for {self.campaigns[name]!r}; this condition is about {scope.model!r}"
            )

    def _check_rank(self, node: Rank, place: Place, scope: Scope) -> None:
        spec = node.rank
        keys = ("top", "top_percent", "bottom", "bottom_percent")
        given = [key for key in keys if getattr(spec, key) is not None]
        if len(given) != 1:
            place.report(f"a rank says one of {', '.join(keys)}; this one says {', '.join(given) or 'none'}")
        self.check_order(scope.model, spec.by, place.at("by"))

    def check_order(self, model: str, by: str, place: Place) -> None:
        """A field that people are ordered by."""
        kind = self.fields.resolve(model, by, place)
        if kind is not None and kind not in ORDERABLE:
            place.report(f"{by!r} is {kind}; order by a number, a date or a timestamp")

    def _check_list(self, node: UploadedList, place: Place) -> None:
        folder = self.root / "lists"
        present = sorted(path.stem for path in folder.glob("*.csv")) if folder.is_dir() else []
        if node.list not in present:
            place.report(f"there is no file lists/{node.list}.csv", nearest(node.list, present))


def leaves(node: Condition) -> Iterator[Condition]:
    """Every condition that is not a group, also inside the `where` of related models."""
    match node:
        case All(all=children) | Any_(any=children):
            for child in children:
                yield from leaves(child)
        case Not(not_=child):
            yield from leaves(child)
        case Related(where=where):
            yield node
            if where is not None:
                yield from leaves(where)
        case _:
            yield node
