"""Do a campaign's file names make sense: they carry its name, and no two groups share a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audience_assets.project.campaign_files import RECIPIENTS_NAMES, RESULTS_NAMES, recipients_file, results_file
from audience_assets.project.campaign_parts import ReadCampaign
from audience_assets.project.campaigns import Campaign
from audience_assets.project.check_settings import check_template
from audience_assets.project.effective import template_mistake
from audience_assets.project.names import slug
from audience_assets.project.places import Place

CARRIED = "{campaign_name}"
_OWN = ("{sub_audience}", "{group_name}")
_DAY = "2026-01-31"
_READ = frozenset({"name", "files", "sub_audiences", "remaining"})
# What file systems take.
LONGEST = 255


def check_files(read: ReadCampaign) -> None:
    """Both templates, also where they are our defaults."""
    place = read.place.at("files")
    results = _check_template(read.campaign.files.results, RESULTS_NAMES, place.at("results"))
    recipients = _check_template(read.campaign.files.recipients, RECIPIENTS_NAMES, place.at("recipients"))
    if results and read.campaign.files.results == read.campaign.files.recipients:
        place.at("recipients").report("results and recipients can't be the same file")
    if recipients and not read.unread:
        _check_own_files(read, place.at("recipients"))


def _check_template(template: str, names: Sequence[str], place: Place) -> bool:
    if not check_template(template, names, place):
        return False
    if "/" in template or "\\" in template:
        place.report("a file's name has no folder in it")
        return False
    if CARRIED not in template:
        place.report("the file's name leaves out the campaign's", f"put {CARRIED} in it")
        return False
    return True


def _check_own_files(read: ReadCampaign, place: Place) -> None:
    """Groups are told apart by what the template says of them, whatever the case of letters.

    Those of one name are reported where they are declared.
    """
    owners: dict[str, str] = {}
    destinations = (name for part in read.parts for group in part.declared.groups for name in group.destinations)
    room = LONGEST - max((len(f"_{name}") for name in destinations), default=0)
    named = {(slug(p.declared.name), slug(g.name)): (p.declared, g) for p in read.parts for g in p.declared.groups}
    for part, group in named.values():
        who = f"{group.name!r} of {part.name!r}"
        file = recipients_file(read.campaign, part.name, group.name, _DAY).casefold()
        if len(file) > room:
            place.report(
                f"the file of {who} would have a name of {len(file)} characters; there is room for {room}",
                "shorten the names, or the template",
            )
            return
        first = owners.setdefault(file, who)
        if first != who:
            told = all(name in read.campaign.files.recipients for name in _OWN)
            hint = "give one of them another name" if told else f"put {' and '.join(_OWN)} in its name"
            place.report(f"{first} and {who} would share one file", hint)
            return


def check_shared_files(campaigns: Mapping[str, ReadCampaign]) -> None:
    """No two campaigns share a file, where both are written on one day; those of one name are reported by it."""
    owners: dict[str, str] = {}
    titles: set[str] = set()
    for name, read in campaigns.items():
        campaign = read.campaign
        if slug(campaign.title) in titles or not _READ.isdisjoint(read.unread) or not _are_templates(campaign):
            continue
        titles.add(slug(campaign.title))
        files = {
            recipients_file(campaign, p.declared.name, g.name, _DAY) for p in read.parts for g in p.declared.groups
        }
        for file in sorted({results_file(campaign), *files}):
            first = owners.setdefault(file.casefold(), name)
            if first != name:
                read.place.at("files").report(
                    f"{file!r} would be a file of this campaign and of {first!r}", "give one of them another name"
                )
                break


def _are_templates(campaign: Campaign) -> bool:
    files = campaign.files
    return not (template_mistake(files.results, RESULTS_NAMES) or template_mistake(files.recipients, RECIPIENTS_NAMES))
