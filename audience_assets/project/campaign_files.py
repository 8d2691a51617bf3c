"""What a campaign's files are called."""

from __future__ import annotations

import re

from audience_assets.project.campaigns import Campaign

RESULTS_NAMES = ("campaign", "campaign_name", "launch_date", "window_days")
RECIPIENTS_NAMES = (*RESULTS_NAMES, "sub_audience", "group_name", "delivery_date")
NO_DATE = "undated"
_UNSAFE = re.compile(r"[^A-Za-z0-9._ -]+")


def results_file(campaign: Campaign, *, launch_date: str | None = None, window_days: int | None = None) -> str:
    """Name of the file with the results of all groups. Dates are ISO; what is not given is as declared."""
    return _filled(campaign.files.results, campaign, launch_date=launch_date, window_days=window_days)


def recipients_file(campaign: Campaign, sub_audience: str, group: str, delivery_date: str) -> str:
    """Name of the file with the recipients of one group; `delivery_date` is ISO."""
    names = {"sub_audience": sub_audience, "group_name": group, "delivery_date": delivery_date}
    return _filled(campaign.files.recipients, campaign, names)


def _filled(
    template: str,
    campaign: Campaign,
    names: dict[str, str] | None = None,
    *,
    launch_date: str | None = None,
    window_days: int | None = None,
) -> str:
    launch = campaign.launch or campaign.schedule.start
    values = {
        "campaign": campaign.campaign,
        "campaign_name": campaign.title,
        "launch_date": launch_date or (launch.isoformat() if launch else NO_DATE),
        "window_days": str(window_days or campaign.measurement.window_days),
        **(names or {}),
    }
    return _UNSAFE.sub("_", template.format_map(values))
