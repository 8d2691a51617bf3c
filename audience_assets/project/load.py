"""Reading a project: all files, all checks, and every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audience_assets.destinations.base import DestinationType
from audience_assets.errors import ProjectError
from audience_assets.project.activations import Activation, Destination
from audience_assets.project.campaign_parts import ReadCampaign
from audience_assets.project.check_activations import (
    ActivationCheck,
    ActivationPlaces,
    check_activation_remains,
    check_lists,
    segment_and_destination_known,
)
from audience_assets.project.check_calculated import check_calculated
from audience_assets.project.check_campaigns import CampaignCheck
from audience_assets.project.check_conditions import ConditionCheck
from audience_assets.project.check_destinations import read_destination
from audience_assets.project.check_insights import check_insights
from audience_assets.project.check_models import check_models, check_relationships, is_told_apart, relationship_is_sound
from audience_assets.project.check_secrets import check_secrets
from audience_assets.project.check_segments import check_references, check_segment, check_segment_remains, users_model
from audience_assets.project.check_settings import check_settings
from audience_assets.project.default_source import check_default_source, with_sources_joined
from audience_assets.project.effective import effective_activation, known_destinations
from audience_assets.project.environment import MissingVariable, resolve_env, resolve_settings
from audience_assets.project.fields import Fields
from audience_assets.project.files import Entry, Files, read_files
from audience_assets.project.load_campaigns import check_lists_of, read_campaigns, with_campaigns, with_sources
from audience_assets.project.models import Segment
from audience_assets.project.places import Place, nearest
from audience_assets.project.project import Project
from audience_assets.project.project_file import ReadProject, read_project
from audience_assets.project.treatments import Declared, treatments
from audience_assets.project.validation import salvage, validate
from audience_assets.project.yaml_text import dotted

__all__ = ["MissingVariable", "load_project", "resolve_env", "resolve_settings"]


def load_project(root: str | Path, *, destinations: Mapping[str, DestinationType] | None = None) -> Project:
    """The project in the folder `root`, checked, with every activation's effective settings.

    `destinations` are the known vendors; the registry's by default. Reads no environment variable and opens no
    warehouse. Raises ProjectError with every mistake, each with its file and line.
    """
    root = Path(root).resolve()
    types = destinations if destinations is not None else known_destinations()
    files = read_files(root)
    parts = _Parts.read(files, types)
    if files.project is not None:
        project = _checked(root, files, parts, types)
    if files.problems:
        raise ProjectError(
            sorted(files.problems, key=lambda problem: (_rank(problem.file), problem.file, problem.line))
        )
    declared = [
        *project.activations.values(),
        *(each.activation for campaign in project.campaigns.values() for each in treatments(project, campaign, types)),
    ]
    effective = {each.activation: effective_activation(project, each, types) for each in declared}
    return replace(project, effective=effective)


def _rank(file: str) -> int:
    """Models before what is built on them."""
    order = ("project.yaml", "destinations.yaml", "segments/", "activations/", "campaigns/")
    return next((rank for rank, start in enumerate(order) if file.startswith(start)), len(order))


@dataclass(frozen=True)
class _Parts:
    """What could be read of each part. `destination_places` holds also those whose declaration has mistakes.

    `destination_names` is None where nobody can tell, because the file can't be read.
    """

    segments: dict[str, Segment]
    activations: dict[str, Activation]
    campaigns: dict[str, ReadCampaign]
    destinations: dict[str, Destination]
    destination_places: dict[str, Place]
    destination_names: list[str] | None

    @classmethod
    def read(cls, files: Files, types: Mapping[str, DestinationType]) -> _Parts:
        places = _destination_places(files.destinations)
        read = {
            name: read_destination(name, place.document.data["destinations"][name], place, types)
            for name, place in places.items()
        }
        return cls(
            segments=_validated(Segment, files.segments),
            activations=_validated(Activation, files.activations),
            campaigns=read_campaigns(files.campaigns),
            destinations={name: each for name, each in read.items() if each is not None},
            destination_places=places,
            destination_names=list(places) if files.destinations_readable else None,
        )


def _validated(model: type[Any], entries: Mapping[str, Entry]) -> dict[str, Any]:
    read = {name: validate(model, entry.data, entry.place) for name, entry in entries.items()}
    return {name: each for name, each in read.items() if each is not None}


def _destination_places(place: Place | None) -> dict[str, Place]:
    if place is None:
        return {}
    data = place.document.data
    for key in data:
        if key != "destinations":
            indent = isinstance(data[key], dict) and "type" in data[key] and "destinations" not in data
            hint = "destinations stand under the key `destinations:`" if indent else nearest(key, ["destinations"])
            place.at(key).report(f"unknown key {key!r}", hint)
    declared = data.get("destinations", {})
    if not isinstance(declared, dict):
        place.at("destinations").report("expected a map of names to destinations")
        return {}
    return {name: place.at("destinations", name) for name in declared}


def _checked(root: Path, files: Files, parts: _Parts, types: Mapping[str, DestinationType]) -> Project:
    """The project; what is wrong with it has been added to the files' problems."""
    assert files.project is not None  # noqa: S101 - the caller has looked
    read = _with_sound_relationships(read_project(files.project))
    read = with_sources_joined(read, parts.destinations, parts.destination_places)
    models = read.settings.models
    timeless = {name for name, model in models.items() if model.type == "events" and model.timestamp is None}
    fields = Fields(read.settings, read.damaged | timeless | (read.declared - set(models)), read.unread)
    segment_models = {name: _model_of(parts.segments.get(name), fields) for name in files.segment_names}
    campaign_models = {
        name: _model_for(parts.campaigns.get(name), segment_models, fields) for name in files.campaign_names
    }
    conditions = ConditionCheck(fields, segment_models, root, campaign_models)

    check_secrets(read.settings, files.project)
    check_relationships(fields, read.relationship_places)
    check_models(fields, conditions, files.project)
    check_calculated(fields, conditions, files.project)
    for name, destination in parts.destinations.items():
        if destination.default_attributes is not None:
            place = parts.destination_places[name].at("default_attributes")
            check_default_source(destination.default_attributes, types[destination.type], fields, place)
    check_insights(read.settings.insights, fields, segment_models, files.project.at("insights"))
    for name, segment in parts.segments.items():
        check_segment(segment, conditions, files.segments[name].place)
    for name in files.segments.keys() - parts.segments.keys():
        check_segment_remains(files.segments[name].data, conditions, files.segments[name].place)
    check_references(parts.segments, {name: entry.place for name, entry in files.segments.items()})

    project = Project(
        root=root,
        settings=read.settings,
        segments=parts.segments,
        destinations=parts.destinations,
        activations=parts.activations,
        sources=_sources(files, parts),
    )
    check = CampaignCheck(read.settings, conditions, parts.destination_names, types)
    project, lists = with_campaigns(project, parts.campaigns, check, files)
    project = with_sources(project, lists, files)
    _check_activations(ActivationCheck(project, fields, types), files, parts, lists)
    return project


def _with_sound_relationships(read: ReadProject) -> ReadProject:
    """Without relationships to nowhere, which would be reported again wherever they are used."""
    known = set(read.declared)
    fields = Fields(read.settings, read.damaged, read.unread)
    first: dict[tuple[str, str], Place] = {}
    checked = [
        (each, place, relationship_is_sound(each, fields, known, place) and is_told_apart(each, first, place))
        for each, place in zip(read.settings.relationships, read.relationship_places, strict=True)
    ]
    broken = {model for each, _, sound in checked if not sound for model in (each.from_, each.to)}
    settings = read.settings.model_copy(update={"relationships": [each for each, _, sound in checked if sound]})
    places = [place for _, place, sound in checked if sound]
    return replace(read, settings=settings, relationship_places=places, damaged=read.damaged | broken)


def _model_of(segment: Segment | None, fields: Fields) -> str | None:
    return users_model(segment, fields.settings.models) if segment is not None else None


def _model_for(read: ReadCampaign | None, segment_models: Mapping[str, str | None], fields: Fields) -> str | None:
    """The users model a campaign is for, which is its first included segment's unless it says another."""
    if read is None:
        return None
    chosen = read.campaign.model
    if chosen is not None:
        return chosen if chosen in fields.settings.models else None
    return next((segment_models.get(name) for name in read.campaign.include), None)


def _check_activations(check: ActivationCheck, files: Files, parts: _Parts, lists: Sequence[Declared]) -> None:
    project, judged = check.project, list[tuple[Activation, ActivationPlaces]]()
    for name, activation in project.activations.items():
        place = files.activations[name].place
        check_settings(activation, place)
        if not segment_and_destination_known(activation, files.segment_names, parts.destination_names, place):
            continue
        if _is_sound_around(activation, check):
            places = ActivationPlaces(place, parts.destination_places[activation.destination])
            check.check(activation, places)
            judged.append((activation, places))
    for name in files.activations.keys() - project.activations.keys():
        entry = files.activations[name]
        check_activation_remains(entry.data, files.segment_names, parts.destination_names, entry.place)
        remains = salvage(Activation, entry.data, entry.place)
        if remains is not None and _is_sound_around(remains[0], check):
            activation, place = remains
            places = ActivationPlaces(place, parts.destination_places[activation.destination])
            check.check(activation, places, entry.data.keys() - activation.model_fields_set)
    judged += check_lists_of(check, lists, files, parts.destination_places)
    check_lists(project, judged)


def _is_sound_around(activation: Activation, check: ActivationCheck) -> bool:
    segment = check.project.segments.get(activation.segment)
    return activation.destination in check.project.destinations and _model_of(segment, check.fields) is not None


def _sources(files: Files, parts: _Parts) -> dict[str, str]:
    """Where every setting of activations and destinations stands."""
    roots = {f"activations.{name}": entry.place for name, entry in files.activations.items()}
    roots |= {f"destinations.{name}": place for name, place in parts.destination_places.items()}
    sources = {}
    for prefix, root in roots.items():
        for path, (line, _) in root.document.positions.items():
            if path[: len(root.path)] == root.path:
                rest = dotted(path[len(root.path) :])
                sources[f"{prefix}.{rest}" if rest else prefix] = f"{root.document.file}:{line}"
    return sources
