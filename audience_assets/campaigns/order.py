"""What has to be computed before a campaign is."""

from __future__ import annotations

from audience_assets.audiences.definition import all_nodes_of
from audience_assets.audiences.stored import in_order, memberships_read
from audience_assets.campaigns.meaning import conditions
from audience_assets.project.project import Project


def segments_before(project: Project, campaign: str) -> list[str]:
    """Segments whose stored membership the campaign's conditions read, and those that these read, in order."""
    return in_order(project, memberships_read(all_nodes_of(project, conditions(project.campaigns[campaign]))))
