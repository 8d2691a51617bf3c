"""A destination's default source: one model whose fields activations there map, unless they map others.

It may be another model than the segments are built on. Then rows are found over a declared relationship, or by the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pydantic import ValidationError

from audience_assets.destinations.base import DestinationType, ServiceSpec
from audience_assets.project.activations import Activation, DefaultAttributes, Destination, Treatment
from audience_assets.project.check_fields import check_field
from audience_assets.project.fields import Fields
from audience_assets.project.links import called, links_from
from audience_assets.project.merged import BUILT_IN, BUILT_IN_SETTINGS, Merged, authored, source_in, usual_service
from audience_assets.project.model_paths import keys_of
from audience_assets.project.models import Relationship
from audience_assets.project.places import Place
from audience_assets.project.project import Project, ProjectFile
from audience_assets.project.project_file import ReadProject
from audience_assets.project.service_options import every_identifier
from audience_assets.project.yaml_text import KeyPath

KEY = "default_attributes"


def path_to(settings: ProjectFile, users: str, model: str) -> str | None:
    """What goes before a field of `model` to name it from a users model. None if nothing leads there."""
    if users == model:
        return ""
    return f"{model}." if called(links_from(settings.relationships, users), model, to_many=False) else None


def with_sources_joined(
    read: ReadProject, destinations: Mapping[str, Destination], places: Mapping[str, Place]
) -> ReadProject:
    """Default sources that no relationship leads to belong to users by key, where the keys are of one type."""
    models, relationships = read.settings.models, list(read.settings.relationships)
    joined_at = list(read.relationship_places)
    for name, destination in destinations.items():
        source = models.get(destination.default_attributes.model) if destination.default_attributes else None
        if source is None or destination.default_attributes is None:
            continue
        to = destination.default_attributes.model
        for users, model in models.items():
            settings = read.settings.model_copy(update={"relationships": relationships})
            same_key = model.type == "users" and model.key_type == source.key_type
            if same_key and path_to(settings, users, to) is None and not {users, to} & read.damaged:
                made = {"from": users, "to": to, "kind": "belongs_to", "on": {model.key: source.key}}
                relationships.append(Relationship.model_validate(made))
                joined_at.append(places[name].at(KEY, "model"))
    settings = read.settings.model_copy(update={"relationships": relationships})
    return replace(read, settings=settings, relationship_places=joined_at)


def check_default_source(source: DefaultAttributes, kind: DestinationType, fields: Fields, place: Place) -> None:
    """The model, its fields, and that some service takes attributes and the identifiers. `place` is the source's."""
    specs = [spec for spec in kind.services.values() if spec.carries_attributes]
    if not specs:
        place.report(f"no service of {kind.title} carries attributes")
        return
    if source.model not in fields.settings.models:
        if source.model not in fields.damaged:
            place.at("model").unknown("model", source.model, fields.settings.models)
        return
    known = list(dict.fromkeys(each for spec in specs for each in _identifiers(spec)))
    for name, field in source.identifiers.items():
        at = place.at("identifiers", name)
        if name not in known:
            at.unknown("identifier", name, known, where=f"of {kind.title}")
        check_field(fields, source.model, field, at, identifier=True)
    for name, field in source.fields.items():
        check_field(fields, source.model, field, place.at("fields", name), attribute=True)
    if source.region is not None:
        check_field(fields, source.model, source.region, place.at("region"))


def _identifiers(spec: ServiceSpec) -> list[str]:
    try:
        return every_identifier(spec, spec.options_model())
    except ValidationError:
        return list(spec.optional_identifiers)


def fit_to_service(
    project: Project, activation: Activation, kind: DestinationType, spec: ServiceSpec, merged: Merged
) -> set[KeyPath]:
    """Settings merged for one service: without what a destination says to another, and with its default source.

    Returns what of the mapping comes from that source, e.g. ("fields", "first_name").
    """
    default = project.destinations[activation.destination].default_activation
    if spec.name != (default.service or usual_service(kind)):
        _leave_out_what_is_anothers(activation, spec, merged)
    source = project.destinations[activation.destination].default_attributes
    if source is None or not spec.carries_attributes:
        return set()
    before = path_to(project.settings, project.users_model(activation.segment), source.model)
    if before is None:
        return set()
    added = set()
    lists_its_own = isinstance(activation, Treatment) and activation.own_attributes
    for path, field in _mapped_by(source, spec):
        if path[0] == "fields" and lists_its_own:
            continue
        place = merged.data["mapping"] if len(path) == 1 else merged.data["mapping"][path[0]]
        if place.get(path[-1]) is None:
            place[str(path[-1])] = f"{before}{field}"
            merged.origins[".".join(("mapping", *map(str, path)))] = source_in(
                project, f"destinations.{activation.destination}.{KEY}", path, f"destinations.yaml ({KEY})"
            )
            added.add(path)
    return added


def _mapped_by(source: DefaultAttributes, spec: ServiceSpec) -> Iterator[tuple[KeyPath, str]]:
    known = _identifiers(spec)
    yield from ((("identifiers", name), field) for name, field in source.identifiers.items() if name in known)
    yield from ((("fields", name), field) for name, field in source.fields.items())
    if source.region is not None:
        yield ("region",), source.region


def _leave_out_what_is_anothers(activation: Activation, spec: ServiceSpec, merged: Merged) -> None:
    own = authored(activation)
    options = own.get("options") or {}
    for name in merged.data["options"].keys() - set(options) - set(keys_of(spec.options_model)):
        merged.drop(("options", name))
    if not spec.carries_consent and own.get("consent") is None:
        merged.drop(("consent",))
        merged.lay({"consent": BUILT_IN_SETTINGS["consent"]}, lambda _: BUILT_IN)
