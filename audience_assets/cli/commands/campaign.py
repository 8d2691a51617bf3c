"""`audience-assets campaign`: the commands about campaigns."""

from __future__ import annotations

from audience_assets.cli.lazy import LazyGroup

COMMANDS = {
    "check": "what is declared, and what to look at before it is sent",
    "preview": "sizes, controls and shrink; files with N records; nothing is kept or sent",
    "plan": "what delivering it would change in its lists",
    "status": "what became of its lists: customers, rows, shrink, expansion",
    "recipients": "who has which group now, as files if asked",
    "results": "what the treatments changed over their control",
}

command = LazyGroup(
    "campaign",
    declared=COMMANDS,
    package="audience_assets.cli.campaign",
    help=(
        "Campaigns: sub-audiences, treatments and their control.\n\n"
        "One is delivered by its schedule in Dagster, or by `audience-assets sync --campaign NAME`."
    ),
)
