"""Do campaigns make sense: whom they are about, in which order, and what keeps people out of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import DestinationType
from audience_assets.project.campaign_parts import Part, ReadCampaign
from audience_assets.project.campaigns import Campaign, Remaining
from audience_assets.project.check_campaign_files import check_files
from audience_assets.project.check_campaign_times import check_times
from audience_assets.project.check_conditions import ConditionCheck
from audience_assets.project.check_groups import check_groups, check_parts, check_title
from audience_assets.project.check_measurement import check_measurement
from audience_assets.project.names import check_owners, slug
from audience_assets.project.places import Place
from audience_assets.project.project import ProjectFile

LONGEST_LABEL = 35
UNIVERSAL = "universal"


@dataclass(frozen=True)
class CampaignCheck:
    """Everything a campaign is held against. `destinations` are those declared; None if nobody can tell."""

    settings: ProjectFile
    conditions: ConditionCheck
    destinations: Collection[str] | None
    types: Mapping[str, DestinationType]

    def check(self, read: ReadCampaign) -> bool:
        """Everything but its lists. Whether the people it is about are known, so that its lists can be judged."""
        campaign, place = read.campaign, read.place
        if campaign.name is not None:
            check_title(campaign.name, "campaign", place.at("name"))
        check_owners(campaign.owners, place.at("owners"))
        _check_labels(campaign.labels, place.at("labels"))
        model = self._check_people(read)
        self._check_parts(read, model)
        _check_split(campaign, place.at("split"))
        if model is not None:
            for index, name in enumerate(campaign.split.stratify_by):
                self.conditions.fields.resolve(model, name, place.at("split", "stratify_by", index))
            check_measurement(campaign.measurement, model, self.conditions.fields, place.at("measurement"))
        self._check_holdout(campaign, model, place.at("holdout"))
        self._check_priority(campaign, place.at("priority_list"))
        if "schedule" not in read.unread:
            check_times(campaign.schedule, place.at("schedule"))
        check_files(read)
        return model is not None

    def _check_people(self, read: ReadCampaign) -> str | None:
        """The users model of all segments, or None where that can't be told, which has been reported."""
        campaign, place = read.campaign, read.place
        if "include" in read.unread or "exclude" in read.unread:
            return None
        model = self._model(campaign, place)
        sound = [self._check_segments(getattr(campaign, key), model, place.at(key)) for key in ("include", "exclude")]
        for index, name in enumerate(campaign.exclude):
            if name in campaign.include:
                place.at("exclude", index).report(f"{name!r} is included and excluded")
        return model if all(sound) else None

    def _model(self, campaign: Campaign, place: Place) -> str | None:
        users = [name for name, model in self.settings.models.items() if model.type == "users"]
        if campaign.model is None:
            return next((self._segments[name] for name in campaign.include if self._segments.get(name)), None)
        if campaign.model in users:
            return campaign.model
        if campaign.model not in self.conditions.fields.damaged:
            place.at("model").unknown("users model", campaign.model, users)
        return None

    @property
    def _segments(self) -> Mapping[str, str | None]:
        return self.conditions.segments

    def _check_segments(self, names: Sequence[str], model: str | None, place: Place) -> bool:
        """Whether all are segments of the model; reported if not."""
        sound = True
        for index, name in enumerate(names):
            here = place.at(index)
            if name not in self._segments:
                here.unknown("segment", name, self._segments)
            elif name in names[:index]:
                here.report(f"{name!r} stands here twice")
            elif model is not None and self._segments[name] not in (None, model):
                here.report(f"{name!r} is a segment of {self._segments[name]!r}; this campaign is about {model!r}")
            else:
                sound = sound and self._segments[name] is not None
                continue
            sound = False
        return sound

    def _check_parts(self, read: ReadCampaign, model: str | None) -> None:
        if not read.parts and not read.unread & {"sub_audiences", "remaining"}:
            read.place.report(
                "the campaign has no groups: nobody would be sent anything",
                "put them under `sub_audiences`, or under `remaining` for all recipients alike",
            )
        check_parts(read.parts)
        for part in read.parts:
            check_groups(part, self.destinations)
            if isinstance(part.declared, Remaining):
                continue
            if part.declared.where is not None and model is not None:
                self.conditions.check_tree(part.declared.where, part.place.at("where"), model)
            elif part.declared.where is None and part.place.at("where").written:
                part.place.at("where").report("is empty", "leave `where` out if it is everybody")
            self._check_segments(part.declared.segments, model, part.place.at("segments"))
        if read.campaign.assignment == "first_match":
            _check_reachable(read.parts)
        _check_excluded(read)

    def _check_holdout(self, campaign: Campaign, model: str | None, place: Place) -> None:
        name = campaign.holdout
        holdout = self.settings.holdouts.get(name or "")
        if holdout is None:
            if name is not None and place.written:
                place.unknown("holdout", name, self.settings.holdouts)
        elif place.written and holdout.model not in (None, model) and model is not None:
            place.report(f"{name!r} is a holdout of {holdout.model!r}; this campaign is about {model!r}")

    def _check_priority(self, campaign: Campaign, place: Place) -> None:
        name, lists = campaign.priority_list, self.settings.priority_lists
        if name is None:
            listed = next((each for each, campaigns in lists.items() if campaign.campaign in campaigns), None)
            if listed is not None:
                place.report(f"project.yaml ranks this campaign in {listed!r}", f"write priority_list: {listed}")
        elif name not in lists:
            place.unknown("priority list", name, lists)
        elif campaign.campaign not in lists[name]:
            place.report(f"{name!r} does not rank this campaign", "add it to priority_lists in project.yaml")


def check_titles(campaigns: Mapping[str, ReadCampaign]) -> None:
    """Each campaign is called otherwise: its files carry its name."""
    titles: dict[str, str] = {}
    for name, read in campaigns.items():
        first = titles.setdefault(slug(read.campaign.title), name)
        if first != name and "name" not in read.unread:
            read.place.at("name").report(
                f"the campaign {first!r} is called {read.campaign.title!r} as well: their files would be the same"
            )


def check_holdouts(settings: ProjectFile, campaigns: Collection[str], place: Place) -> None:
    """`holdouts` and `priority_lists` of project.yaml."""
    users = [name for name, model in settings.models.items() if model.type == "users"]
    for name, holdout in settings.holdouts.items():
        here = place.at("holdouts", name)
        if holdout.model is not None and holdout.model not in users:
            here.at("model").unknown("users model", holdout.model, users)
        if holdout.from_ and holdout.until and holdout.until <= holdout.from_:
            here.at("until").report(f"the holdout would end on {holdout.until}, before it begins on {holdout.from_}")
    for name, ranked in settings.priority_lists.items():
        for index, campaign in enumerate(ranked):
            here = place.at("priority_lists", name, index)
            if campaign not in campaigns:
                here.unknown("campaign", campaign, campaigns)
            elif campaign in ranked[:index]:
                here.report(f"{campaign!r} stands here twice")


def _check_reachable(parts: Sequence[Part]) -> None:
    """People go to the first sub-audience that they match."""
    open_to_all: Part | None = None
    for index, part in enumerate(parts):
        name = part.declared.name
        if open_to_all is not None:
            movable = not isinstance(part.declared, Remaining)
            part.place.report(
                f"{name!r} gets nobody: {open_to_all.declared.name!r} before it has no condition and takes everybody",
                f"put {name!r} first, or say assignment: all_matches" if movable else "leave `remaining` out",
            )
            return
        twin = next((each for each in parts[:index] if _matches_alike(each, part)), None)
        if twin is not None:
            part.place.report(f"{name!r} gets nobody: {twin.declared.name!r} before it has the same condition")
        if part.is_everybody:
            open_to_all = part


def _matches_alike(one: Part, other: Part) -> bool:
    a, b = one.declared, other.declared
    if isinstance(a, Remaining) or isinstance(b, Remaining):
        return False
    return a.where == b.where and set(a.segments) == set(b.segments) and not one.is_everybody


def _check_excluded(read: ReadCampaign) -> None:
    excluded = set(read.campaign.exclude)
    for part in read.parts:
        segments = [] if isinstance(part.declared, Remaining) else part.declared.segments
        if segments and excluded.issuperset(segments):
            part.place.at("segments").report(f"{part.declared.name!r} gets nobody: the campaign excludes its segments")


def _check_split(campaign: Campaign, place: Place) -> None:
    split = campaign.split
    if split.stratify_by and split.method != "exact":
        place.at("stratify_by").report("strata are exact: they need method: exact")
    if split.round != 1 and split.sticky != "reshuffle":
        place.at("round").report("only sticky: reshuffle draws anew, once for each `round`")


def _check_labels(labels: Sequence[str], place: Place) -> None:
    for index, label in enumerate(labels):
        if len(label) > LONGEST_LABEL:
            place.at(index).report(f"a label has at most {LONGEST_LABEL} characters; this one has {len(label)}")
