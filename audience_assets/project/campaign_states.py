"""Whether a campaign is delivered: a draft not yet, an archived one no more. Its lists stay as they are either way."""

from __future__ import annotations

from audience_assets.errors import AudienceError
from audience_assets.project.project import Project


class NotActive(AudienceError):
    """The campaign is a draft or archived: nobody is given a group, and nothing is sent."""


def expect_active(project: Project, campaign: str) -> None:
    """Raises NotActive, which says what to do instead."""
    if project.is_active(campaign):
        return
    where = project.sources.get(f"campaigns.{campaign}.state", f"campaigns/{campaign}.yaml")
    if project.campaigns[campaign].state == "draft":
        raise NotActive(
            f"campaign {campaign} is a draft ({where}): nobody is given a group, and nothing is sent. Look at it with: "
            f"audience-assets campaign preview {campaign}. To deliver it, say state: active."
        )
    raise NotActive(
        f"campaign {campaign} is archived ({where}): it is computed and delivered no more, and its lists stay as they "
        "are. Its recipients, groups and results are kept. To go on with it, say state: active."
    )
