"""Reading campaigns: their own mistakes first, then those of the lists that they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from audience_assets.project.activations import Activation
from audience_assets.project.campaign_parts import ReadCampaign, remains, whole
from audience_assets.project.campaigns import Campaign
from audience_assets.project.check_activations import ActivationCheck, ActivationPlaces
from audience_assets.project.check_campaign_files import check_shared_files
from audience_assets.project.check_campaigns import CampaignCheck, check_holdouts, check_titles
from audience_assets.project.check_treatments import TreatmentPlaces, check_delivery, check_treatment, places_of
from audience_assets.project.files import Entry, Files
from audience_assets.project.places import Place
from audience_assets.project.project import Project
from audience_assets.project.treatments import Declared, sources_of, treatments
from audience_assets.project.validation import validate
from audience_assets.project.yaml_text import dotted


def read_campaigns(entries: Mapping[str, Entry]) -> dict[str, ReadCampaign]:
    """Also those with mistakes of form, as far as they can be judged; the mistakes are reported."""
    read: dict[str, ReadCampaign] = {}
    for name, entry in entries.items():
        campaign = validate(Campaign, entry.data, entry.place)
        found = whole(campaign, entry.place) if campaign is not None else remains(entry.data, entry.place)
        if found is not None:
            read[name] = found
    return read


def with_campaigns(
    project: Project, read: Mapping[str, ReadCampaign], check: CampaignCheck, files: Files
) -> tuple[Project, list[Declared]]:
    """The project with the campaigns whose lists can be judged, and these lists. What is wrong is reported."""
    if files.project is not None:
        check_holdouts(project.settings, files.campaign_names, files.project)
    sound: dict[str, Campaign] = {}
    for name, each in read.items():
        known = check.check(each)
        check_delivery(each, check.destinations)
        if known and not each.unread:
            sound[name] = each.campaign
    check_titles(read)
    check_shared_files(read)
    project = replace(project, campaigns=sound)
    return project, [each for campaign in sound.values() for each in treatments(project, campaign, check.types)]


def with_sources(project: Project, declared: Sequence[Declared], files: Files) -> Project:
    """The project with the place of every setting of campaigns and of their lists."""
    sources: dict[str, str] = {}
    for name, campaign in project.campaigns.items():
        place = files.campaigns[name].place
        lines = {path: f"{place.document.file}:{line}" for path, (line, _) in place.document.positions.items()}
        sources |= {f"campaigns.{name}{'.' if path else ''}{dotted(path)}": line for path, line in lines.items()}
        for each in declared:
            if each.activation.campaign == name:
                sources |= sources_of(each, campaign, lines)
    return replace(project, sources={**project.sources, **sources})


def check_lists_of(
    check: ActivationCheck, declared: Sequence[Declared], files: Files, destinations: Mapping[str, Place]
) -> list[tuple[Activation, ActivationPlaces]]:
    """Judge the list of each treatment group; they are to be compared with all others."""
    judged: list[tuple[Activation, ActivationPlaces]] = []
    names = dict.fromkeys(check.project.activations, "an activation")
    for each in declared:
        activation = each.activation
        place = files.campaigns[activation.campaign].place
        its: TreatmentPlaces = places_of(
            each, check.project.campaigns[activation.campaign], place, destinations[activation.destination]
        )
        if not _is_unnamed(names, each, place):
            continue
        check_treatment(check, each, its)
        judged.append((activation, its))
    return judged


def _is_unnamed(names: dict[str, str], each: Declared, place: Place) -> bool:
    """Whether no other activation has this one's name; reported if one has."""
    name, group = each.activation.activation, each.activation.segment
    first = names.setdefault(name, group)
    if first != group:
        place.at(*each.group, "name").report(
            f"the list of this group would be {name!r}, which is the name of {first}", "give the group another name"
        )
    return first == group
