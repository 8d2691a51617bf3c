"""Which project the code location shows."""

from __future__ import annotations

import os
from pathlib import Path

from audience_assets.errors import AudienceError

VARIABLE = "AUDIENCE_PROJECT"
PROJECT_FILE = "project.yaml"
EMBEDDED_PROJECT = Path(__file__).resolve().parent.parent / "demo" / "project"
EXPLANATION = (
    f"This is the embedded demo project, to be looked at only: it has no warehouse. Set {VARIABLE} to your project's "
    "folder, or let `audience-assets ui` make the demo's warehouse and show it."
)


def project_folder() -> Path:
    """The folder in AUDIENCE_PROJECT; the embedded demo project when that is not set, so that there is a first look.

    Raises AudienceError when the variable leads to no project.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        return EMBEDDED_PROJECT
    folder = Path(given).expanduser()
    if not (folder / PROJECT_FILE).is_file():
        raise AudienceError(
            f"{VARIABLE} is {given!r}, and there is no {PROJECT_FILE} in {folder.resolve()}. Set it to the folder of "
            "your project; `audience-assets init FOLDER` makes one."
        )
    return folder
