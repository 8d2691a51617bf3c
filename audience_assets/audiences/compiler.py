"""From a declared segment to one SQL statement."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.members import members
from audience_assets.audiences.statement import MembershipTables, Statement, complete
from audience_assets.project.project import Project


def compile_segment(project: Project, name: str, as_of: datetime, *, state: MembershipTables) -> sa.Select[Any]:
    """The keys of a segment's members at `as_of` (with a zone), in one column `user_key`.

    One statement whatever the definition: referenced segments are inlined, values are bound parameters, names
    come from the declared models only. The same `as_of` and data give the same members.
    """
    statement = Statement(project, Catalogue(project.settings), as_of, state)
    return complete(lambda: members(statement, name), statement)
