"""`audience-assets check`: every mistake in a project, at once."""

from __future__ import annotations

from dataclasses import asdict

from rich.text import Text

from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.words import plural
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.errors import ProjectError
from audience_assets.project.cautions import find_cautions
from audience_assets.project.project import Project


@declare("check")
def command(session: Session) -> Code:
    """Find every mistake in the project, each with file, line and how to mend it.

    What is allowed but a trap is a warning, and no reason to fail.
    Neither the warehouse nor a vendor is asked; `doctor` does that.
    """
    try:
        project = session.project()
    except ProjectError as error:
        if not session.as_json:
            raise
        fields = ("file", "line", "field", "message", "hint")
        problems = [{name: getattr(problem, name) for name in fields} for problem in error.problems]
        session.answer({"ok": False, "problems": problems})
        return Code.MISTAKE
    cautions = find_cautions(project, DESTINATIONS)
    if session.as_json:
        told = [asdict(each) for each in cautions]
        session.answer(
            {"ok": True, "problems": [], "warnings": told, "project": project.settings.project, **_sizes(project)}
        )
    else:
        parts = ", ".join(plural(number, kind.removesuffix("s")) for kind, number in _sizes(project).items())
        session.say(f"{project.settings.project}: {parts}. No mistakes.")
        for caution in cautions:
            session.say(Text.assemble(("warning: ", "yellow"), f"{caution.message}"))
    return Code.OK


def _sizes(project: Project) -> dict[str, int]:
    return {
        "models": len(project.models),
        "segments": len(project.segments),
        "destinations": len(project.destinations),
        "activations": len(project.activations),
        **({"campaigns": len(project.campaigns)} if project.campaigns else {}),
    }
