"""Files of a campaign: readable by their owner alone, because they hold personal data."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from audience_assets.project.activations import EffectiveActivation
from audience_assets.project.campaign_files import recipients_file
from audience_assets.project.project import Project
from audience_assets.sync.desired import Desired
from audience_assets.sync.reach import rows_to_send


def write_records(
    folder: Path,
    connection: Connection,
    project: Project,
    activation: EffectiveActivation,
    desired: Desired,
    records: int,
    as_of: datetime,
) -> Path:
    """What would be sent of the first customers of a list, named as the campaign says and by its destination."""
    audience = project.audience(activation.audience)
    assert audience.campaign and audience.sub_audience and audience.group  # noqa: S101 - only campaigns have files
    campaign = project.campaigns[audience.campaign]
    name = Path(recipients_file(campaign, audience.sub_audience, audience.group, day(project, as_of)))
    file = folder / f"{name.stem}_{activation.destination}{name.suffix}"
    columns = ["identifier", *(each.attribute for each in desired.columns)]
    return write_csv(file, columns, rows_to_send(connection, desired, records))


def day(project: Project, at: datetime) -> str:
    """The day, ISO, of a moment in the project's timezone."""
    return at.astimezone(ZoneInfo(project.settings.timezone)).date().isoformat()


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write or replace a file that only its owner can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    return file
