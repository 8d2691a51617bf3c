"""Do the lists of campaigns make sense: the same rules as for every activation, told where the campaign says it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from audience_assets.project.campaign_facts import FACTS, LAUNCH, is_fact
from audience_assets.project.campaign_parts import ReadCampaign
from audience_assets.project.campaigns import AttributeSource, Campaign
from audience_assets.project.check_activations import ActivationCheck, ActivationPlaces
from audience_assets.project.check_settings import check_settings
from audience_assets.project.effective import CAMPAIGN_TEMPLATE_NAMES, merge, render_list_name, template_mistake
from audience_assets.project.names import slug
from audience_assets.project.places import Place, nearest
from audience_assets.project.treatments import OF_THE_CAMPAIGN, Declared, identifier_names


@dataclass(frozen=True)
class TreatmentPlaces(ActivationPlaces):
    """Where the settings of a treatment's list were said. `attributes` are the names that the campaign maps itself."""

    attributes_place: Place
    attributes: tuple[str, ...]

    def at(self, *path: str | int) -> Place:
        if path[:1] == ("mapping",) and path[-1] in self.attributes:
            return self.attributes_place.at(self.attributes.index(str(path[-1])), "from")
        if path == ("mapping", "fields") and self.attributes and not self.activation.at(*path).written:
            return self.attributes_place
        return super().at(*path)

    @property
    def says_attributes(self) -> bool:
        return super().says_attributes or bool(self.attributes)


def places_of(declared: Declared, campaign: Campaign, place: Place, destination: Place) -> TreatmentPlaces:
    """`place` is the campaign's, `destination` that of the destination's declaration."""
    name = declared.activation.destination
    attributes = tuple(each.to for each in campaign.attributes.get(name, ()))
    return TreatmentPlaces(place.at("delivery", name), destination, place.at("attributes", name), attributes)


def check_treatment(check: ActivationCheck, declared: Declared, places: TreatmentPlaces) -> None:
    """One group at one destination, which are both there and sound."""
    activation = declared.activation
    check.check(activation, places)
    known = identifier_names(check.project, activation.destination, activation, check.types)
    for name in activation.constants:
        if name in known:
            places.at("mapping", name).report(f"people can't be known by {name!r} if all have the same")
    template = merge(check.project, activation).data["list_name"]
    if template_mistake(template, CAMPAIGN_TEMPLATE_NAMES):
        return
    name = render_list_name(template, check.project, activation)
    title = check.project.campaigns[activation.campaign].title
    if name and slug(title) not in slug(name) and activation.campaign not in slug(name):
        places.at("list_name").report(
            f"the list's name {name!r} leaves out the campaign's", "put {campaign_name} in it"
        )


def check_delivery(read: ReadCampaign, destinations: Collection[str] | None) -> None:
    """`delivery` and `attributes` by themselves. `destinations` are those declared; None if nobody can tell."""
    campaign, place = read.campaign, read.place
    used = {name for part in read.parts for group in part.declared.groups for name in group.destinations}
    for key, names in (("delivery", campaign.delivery), ("attributes", campaign.attributes)):
        for name in names:
            here = place.at(key, name)
            if destinations is not None and name not in destinations:
                here.unknown("destination", name, destinations)
            elif name not in used and not read.unread:
                here.report(f"no group of this campaign is sent to {name!r}", nearest(name, used))
    for name, settings in campaign.delivery.items():
        here = place.at("delivery", name)
        check_settings(settings, here, CAMPAIGN_TEMPLATE_NAMES)
        for key in OF_THE_CAMPAIGN:
            if here.at(key).written:
                here.at(key).report("a campaign's lists are delivered together", "set the campaign's own `schedule`")
    for name, attributes in campaign.attributes.items():
        for index, each in enumerate(attributes):
            _check_attribute(read, each, attributes[:index], place.at("attributes", name, index))


def _check_attribute(
    read: ReadCampaign, attribute: AttributeSource, before: Sequence[AttributeSource], place: Place
) -> None:
    if attribute.to in [other.to for other in before]:
        place.report(f"{attribute.to!r} stands here twice")
    if not is_fact(attribute.from_):
        return
    if attribute.from_ not in FACTS:
        place.at("from").unknown("fact", attribute.from_, FACTS, where="of a campaign")
    elif attribute.from_ == LAUNCH and not (read.campaign.launch or read.campaign.schedule.start or read.unread):
        place.at("from").report("the campaign has no date to send", "say `launch`")
