"""Lists of campaigns: each treatment group at each of its destinations is delivered by an activation of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from audience_assets.destinations.base import DestinationType, ServiceSpec
from audience_assets.project.activations import Activation, ActivationSettings, Treatment
from audience_assets.project.audiences import audience_name, parts_of
from audience_assets.project.campaign_facts import campaign_facts, is_fact
from audience_assets.project.campaigns import AttributeSource, Campaign
from audience_assets.project.default_source import path_to
from audience_assets.project.merged import usual_service
from audience_assets.project.model_paths import keys_of
from audience_assets.project.names import slug
from audience_assets.project.project import Project
from audience_assets.project.service_options import every_identifier
from audience_assets.project.yaml_text import KeyPath, dotted

# What only a campaign's own settings say: all its lists are delivered together, and it ends.
OF_THE_CAMPAIGN = ("schedule", "trigger", "fresh_within")


@dataclass(frozen=True)
class Declared:
    """One treatment group at one destination, with the places in the campaign's file that say so."""

    activation: Treatment
    group: KeyPath
    destination: KeyPath


def treatments(project: Project, campaign: Campaign, types: Mapping[str, DestinationType]) -> Iterator[Declared]:
    """The activations of a campaign whose segments are declared, at destinations that are."""
    for number, part in enumerate(parts_of(campaign)):
        where: KeyPath = ("sub_audiences", number) if part is not campaign.remaining else ("remaining",)
        for index, group in enumerate(part.groups):
            for position, destination in enumerate(group.destinations if not group.control else ()):
                if destination in project.destinations:
                    here: KeyPath = (*where, "groups", index)
                    activation = _activation(project, campaign, (part.name, group.name), destination, types)
                    yield Declared(activation, here, (*here, "destinations", position))


def treatment_name(campaign: str, sub_audience: str, group: str, destination: str) -> str:
    """The activation that delivers a treatment group to a destination."""
    return "__".join((campaign, slug(sub_audience), slug(group), destination))


def _activation(
    project: Project,
    campaign: Campaign,
    names: tuple[str, str],
    destination: str,
    types: Mapping[str, DestinationType],
) -> Treatment:
    settings = campaign.delivery.get(destination, ActivationSettings())
    attributes = campaign.attributes.get(destination)
    said = settings.model_dump(exclude_unset=True, exclude=set(OF_THE_CAMPAIGN))
    facts = campaign_facts(campaign, *names)
    if attributes is not None:
        of_people = [each for each in attributes if not is_fact(each.from_)]
        said["mapping"] = _mapping(project, campaign, destination, settings, of_people, types)
    return Treatment.model_validate(
        {
            **said,
            "activation": treatment_name(campaign.campaign, *names, destination),
            "segment": audience_name(campaign.campaign, *names),
            "destination": destination,
            "description": campaign.description,
            "trigger": "manual",
            "schedule": campaign.schedule.model_dump(include={"cadence", "at", "weekday"}),
            "campaign": campaign.campaign,
            "own_attributes": attributes is not None,
            "constants": {each.to: facts[each.from_] for each in attributes or () if each.from_ in facts},
        }
    )


def _mapping(
    project: Project,
    campaign: Campaign,
    destination: str,
    settings: ActivationSettings,
    attributes: list[AttributeSource],
    types: Mapping[str, DestinationType],
) -> dict[str, Any]:
    """The settings' mapping with the campaign's attributes, those that name people among the identifiers."""
    mapping = settings.mapping.model_dump(exclude_unset=True) if settings.mapping else {}
    identifiers = identifier_names(project, destination, settings, types)
    default = _default_source(project, destination, settings, types)
    found: dict[str, dict[str, str]] = {"identifiers": {}, "fields": {}}
    for each in attributes:
        part = "identifiers" if each.to in identifiers else "fields"
        found[part][each.to] = source_field(project, campaign, each, default)
    return {
        **mapping,
        "identifiers": {**mapping.get("identifiers", {}), **found["identifiers"]},
        "fields": {**mapping.get("fields", {}), **found["fields"]},
    }


def source_field(project: Project, campaign: Campaign, attribute: AttributeSource, default: str | None) -> str:
    """The mapped field. Without a model's name it is one of the default source, or else of the campaign's people."""
    own = campaign.model or project.users_model(campaign.include[0])
    model, _, field = attribute.from_.partition(".")
    if field:
        return field if model == own else attribute.from_
    before = path_to(project.settings, own, default) if default is not None else ""
    return f"{before or ''}{attribute.from_}"


def identifier_names(
    project: Project, destination: str, settings: ActivationSettings, types: Mapping[str, DestinationType]
) -> list[str]:
    """What the destination's service can know people by."""
    spec = _service(project, destination, settings, types)
    if spec is None:
        return []
    default = project.destinations[destination].default_activation
    said = {**(default.options or {}), **(settings.options or {})}
    options = {key: value for key, value in said.items() if key in keys_of(spec.options_model)}
    for each in (options, {}):
        try:
            return every_identifier(spec, spec.options_model.model_validate(each))
        except ValidationError:
            continue
    return list(spec.optional_identifiers)


def _service(
    project: Project, destination: str, settings: ActivationSettings, types: Mapping[str, DestinationType]
) -> ServiceSpec | None:
    declared = project.destinations[destination]
    kind = types[declared.type]
    return kind.services.get(settings.service or declared.default_activation.service or usual_service(kind) or "")


def _default_source(
    project: Project, destination: str, settings: ActivationSettings, types: Mapping[str, DestinationType]
) -> str | None:
    """The model that attributes come from which name none; None where it is the people's own."""
    spec, source = _service(project, destination, settings, types), project.destinations[destination].default_attributes
    return source.model if source is not None and spec is not None and spec.carries_attributes else None


def sources_of(declared: Declared, campaign: Campaign, root: Mapping[KeyPath, str]) -> dict[str, str]:
    """Where every setting of a treatment's activation stands; `root` has the place of each path of the campaign."""
    name, destination = declared.activation.activation, declared.activation.destination
    found = {"": declared.group, "segment": (*declared.group, "name"), "destination": declared.destination}
    found |= {"description": ("description",), "trigger": ("schedule",), "schedule": ("schedule",)}
    for path in root:
        if path[:2] == ("delivery", destination) and len(path) > 2:
            found[dotted(path[2:])] = path
        if path[:1] == ("schedule",):
            found[dotted(path)] = path
    for index, each in enumerate(campaign.attributes.get(destination, ())):
        found[f"{_part_of(declared.activation, each)}.{each.to}"] = ("attributes", destination, index)
    return {f"activations.{name}{key and '.' + key}": _nearest(root, path) for key, path in found.items()}


def _part_of(activation: Activation, attribute: AttributeSource) -> str:
    """The setting that an attribute has become."""
    if is_fact(attribute.from_):
        return "constants"
    identifiers = activation.mapping.identifiers if activation.mapping else {}
    return "mapping.identifiers" if attribute.to in identifiers else "mapping.fields"


def _nearest(root: Mapping[KeyPath, str], path: KeyPath) -> str:
    while path and path not in root:
        path = path[:-1]
    return root[path]
