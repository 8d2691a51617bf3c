"""`audience-assets demo`: a shop's day by itself."""

from __future__ import annotations

from pathlib import Path

import click

from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.demo.generate import CUSTOMER_COUNT
from audience_assets.demo.run import demo
from audience_assets.demo.workspace import FOLDER


@declare(
    "demo",
    click.option("--customers", type=click.IntRange(min=500), default=CUSTOMER_COUNT, show_default=True),
    click.option(
        "--folder",
        "work",
        type=click.Path(file_okay=False, path_type=Path),
        default=FOLDER,
        show_default=True,
        help="Where the warehouse and Dagster's history go. What an earlier demo left there is replaced.",
    ),
    json=False,
)
def command(session: Session, customers: int, work: Path) -> None:
    """Play a shop's day: invent a warehouse, deliver its lists to sandboxes of the vendors through Dagster, let people
    order, move and opt out, deliver again, and show who was added, removed and rejected.

    Ends by itself; nothing is left running.
    """
    with demo(work, customers=customers, console=session.out):
        pass
    session.say(f"Everything is in {work}. To play it again and look at it in Dagster: make ui, or audience-assets ui")
