"""What a campaign can send of itself: an attribute's `from` may name it as `campaign.group_name`."""

from __future__ import annotations

from audience_assets.project.places import Place
from audience_assets.project.project import Project

FACT = "campaign."
FACTS = tuple(FACT + name for name in ("id", "name", "sub_audience", "group_name", "launch_date"))


def campaign_facts(project: Project, audience: str) -> dict[str, str | None]:
    """Source -> text that everybody in a treatment group is sent; nothing for a segment."""
    group = project.audience(audience)
    if group.campaign is None:
        return {}
    campaign = project.campaigns[group.campaign]
    launch = campaign.launch or campaign.schedule.start
    values = (
        campaign.campaign,
        campaign.title,
        group.sub_audience,
        group.group,
        launch.isoformat() if launch else None,
    )
    return dict(zip(FACTS, values, strict=True))


def check_fact(field: str, place: Place) -> None:
    """Report a fact that there is not."""
    if field not in FACTS:
        place.unknown("fact", field, FACTS, where="of a campaign")
