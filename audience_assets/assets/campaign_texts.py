"""Descriptions of campaigns' assets, in Markdown: whom, cut how, sent where, and when."""

from __future__ import annotations

from audience_assets.assets.statements import SegmentStatement
from audience_assets.assets.texts import bullets
from audience_assets.project.audiences import parts_of
from audience_assets.project.campaigns import Campaign, CampaignSchedule, SubAudience
from audience_assets.project.describe import describe
from audience_assets.project.project import Project


def campaign_text(project: Project, campaign: Campaign, statement: SegmentStatement) -> str:
    """Name, description, whom it is for, the groups, when it is delivered, and the SQL."""
    parts = [
        f"**{campaign.title}**",
        campaign.description or "",
        _whom(campaign),
        _groups(project, campaign),
        when_text(campaign) + (f" Launch: {campaign.launch}." if campaign.launch else ""),
        f"As of the start of today this finds who is for it:\n\n```sql\n{statement.sql}\n```",
    ]
    return "\n\n".join(part for part in parts if part)


def when_text(campaign: Campaign) -> str:
    """Whether and when it is delivered."""
    match campaign.state:
        case "draft":
            return "A draft: it is not delivered, and nobody is given a group."
        case "archived":
            return "Archived: it is computed and delivered no more, and its lists stay as they are."
        case "active":
            return f"Delivered {schedule_text(campaign.schedule)}."


def schedule_text(schedule: CampaignSchedule) -> str:
    """When a campaign is delivered, in words."""
    if schedule.type == "one_time":
        return f"once, on {schedule.start} at {schedule.at}" if schedule.start else "once, by hand"
    often = {"hourly": "every hour", "daily": "every day", "weekly": f"every {schedule.weekday}"}[schedule.cadence]
    at = "" if schedule.cadence == "hourly" else f" at {schedule.at}"
    end = schedule.end
    until = f", {end.after} times" if end.after else f", up to {end.on}" if end.on else ""
    return f"{often}{at} from {schedule.start}{until}"


def _whom(campaign: Campaign) -> str:
    included = ", ".join(f"`{name}`" for name in campaign.include)
    excluded = ", ".join(f"`{name}`" for name in campaign.exclude)
    return f"Anybody in {included}" + (f", and nobody in {excluded}." if excluded else ".")


def _groups(project: Project, campaign: Campaign) -> str:
    rows = ["| sub-audience | group | share | sent to |", "| --- | --- | --- | --- |"]
    for part in parts_of(campaign):
        rows += [
            f"| {part.name} | {group.name} | {group.percent.normalize():f} % | "
            f"{'nobody: control' if group.control else ', '.join(group.destinations)} |"
            for group in part.groups
        ]
    criteria = [
        f"{part.name}:\n\n{bullets(describe(part.where, project))}"
        for part in parts_of(campaign)
        if isinstance(part, SubAudience) and part.where is not None
    ]
    return "\n\n".join(["\n".join(rows), *criteria])
