"""What a campaign can send of itself: an attribute's `from` may name it as `campaign.group_name`."""

from __future__ import annotations

from audience_assets.project.campaigns import Campaign

PREFIX = "campaign."
LAUNCH = f"{PREFIX}launch_date"
FACTS = (*(PREFIX + name for name in ("id", "name", "sub_audience", "group_name")), LAUNCH)


def is_fact(source: str) -> bool:
    """Whether an attribute is said to come from the campaign itself."""
    return source.startswith(PREFIX)


def campaign_facts(campaign: Campaign, sub_audience: str, group: str) -> dict[str, str]:
    """Source -> text that everybody in a treatment group is sent; without what the campaign does not say."""
    launch = campaign.launch or campaign.schedule.start
    values = (campaign.campaign, campaign.title, sub_audience, group, launch.isoformat() if launch else None)
    return {name: value for name, value in zip(FACTS, values, strict=True) if value is not None}
