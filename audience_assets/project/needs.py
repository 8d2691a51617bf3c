"""What a list needs to know of a person before it can hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from audience_assets.destinations.base import DestinationType, ServiceSpec
from audience_assets.project.activations import Activation
from audience_assets.project.activations import Mapping as FieldMapping
from audience_assets.project.default_source import fit_to_service
from audience_assets.project.effective import known_destinations, merge
from audience_assets.project.fields import Fields
from audience_assets.project.merged import usual_service
from audience_assets.project.project import Project


@dataclass(frozen=True)
class Needs:
    """One of `identifiers`, and all of `required`; `attributes` are sent where there are some. Name -> field."""

    destination: str
    identifiers: Mapping[str, str]
    required: Mapping[str, str]
    attributes: Mapping[str, str]


def audience_needs(
    project: Project, audience: str, destinations: Mapping[str, DestinationType] | None = None
) -> dict[str, Needs]:
    """What each list of an audience needs by its activation's name, and, where the audience has none, what the
    destination's default settings need, by the destination's name."""
    kinds = destinations or known_destinations()
    found: dict[str, Needs] = {}
    served = set()
    for activation in project.effective.values():
        if activation.audience == audience:
            spec = kinds[activation.destination_type].services[activation.service]
            served.add(activation.destination)
            found[activation.name] = _needs(activation.destination, spec, activation.options, activation.mapping)
    for name, destination in project.destinations.items():
        needs = None if name in served else _default_needs(project, audience, name, kinds.get(destination.type))
        if needs is not None:
            found[name] = needs
    return found


def _default_needs(project: Project, audience: str, destination: str, kind: DestinationType | None) -> Needs | None:
    """None where the defaults alone would not make an activation of the audience."""
    if kind is None:
        return None
    activation = Activation(activation=audience, segment=audience, destination=destination)
    merged = merge(project, activation)
    spec = kind.services.get(merged.data.get("service") or usual_service(kind) or "")
    if spec is None:
        return None
    fit_to_service(project, activation, kind, spec, merged)
    settings, mapping = merged.data, FieldMapping.model_validate(merged.data["mapping"])
    if not _maps(project, audience, mapping):
        return None
    try:
        needs = _needs(destination, spec, settings["options"], mapping)
    except ValidationError:
        return None
    return needs if needs.identifiers else None


def _maps(project: Project, audience: str, mapping: FieldMapping) -> bool:
    """Whether the audience's users model has what is mapped."""
    fields, model = Fields(project.settings), project.users_model(audience)
    owners = (fields.owner(model, path) for path in (*mapping.identifiers.values(), *mapping.fields.values()))
    return all(owner is not None and owner[1] in fields.names(owner[0]) for owner in owners)


def _needs(destination: str, spec: ServiceSpec, options: Mapping[str, object], mapping: FieldMapping) -> Needs:
    chosen = spec.options_model.model_validate(options)
    kinds = spec.identifiers(chosen)
    identifiers = {kind: mapping.identifiers[kind] for kind in kinds if kind in mapping.identifiers}
    others = {**mapping.identifiers, **mapping.fields}
    required = {name: others[name] for name in spec.required(chosen) if name in others and name not in kinds}
    return Needs(destination, identifiers, required, mapping.fields)
