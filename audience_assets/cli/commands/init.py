"""`audience-assets init`: a new project folder that runs as it is."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import click

from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.demo.generate import generate_warehouse
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.files import DESTINATIONS as DESTINATIONS_FILE
from audience_assets.warehouse.engine import open_warehouse

CUSTOMERS = 400
# Packaging tools leave dot files out, so the template names them without the dot.
DOTTED = ("env", "gitignore")
HEADING = "destinations:\n"
OTHERS = "\n# Other vendors, to uncomment; what {env: ...} names belongs into .env.\n"


@declare(
    "init",
    click.argument("target", type=click.Path(file_okay=False, path_type=Path)),
    click.option(
        "--destination",
        type=click.Choice(list(DESTINATIONS)),
        default=next(iter(DESTINATIONS)),
        show_default=True,
        help="Whose lists the project keeps. How the others are declared stands in a comment.",
    ),
    json=False,
)
def command(session: Session, target: Path, destination: str) -> None:
    """Make a new project in the folder TARGET, which must be new or empty.

    It brings a small SQLite warehouse of invented people, so every command works at once; change
    project.yaml to point it at your own.
    """
    if target.exists() and any(target.iterdir()):
        raise click.UsageError(f"{target} is not empty. Name a new folder.")
    _write_template(target, destination)
    engine = open_warehouse("sqlite:///warehouse.sqlite", root=target.resolve())
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    with session.err.status("inventing customers"):
        generate_warehouse(engine, now=now, customers=CUSTOMERS)
    engine.dispose()
    session.say(
        f"A project is in {target}. To see it work:\n\n"
        f"  cd {target}\n"
        "  audience-assets check\n"
        "  audience-assets insights vips\n"
        f"  audience-assets sandbox          # a local {DESTINATIONS[destination].title}; leave it running in another "
        "terminal\n"
        "  audience-assets sync --all\n"
    )


def _write_template(target: Path, destination: str) -> None:
    """The files of every project, and the chosen vendor's."""
    with resources.as_file(resources.files("audience_assets.cli") / "template") as template:
        vendors = template / "vendors"
        for part in (template / "common", vendors / destination):
            shutil.copytree(part, target, dirs_exist_ok=True)
        others = [(vendors / each / DESTINATIONS_FILE).read_text() for each in DESTINATIONS if each != destination]
        with (target / DESTINATIONS_FILE).open("a") as file:
            file.write(OTHERS + "".join(map(_commented, others)))
    for name in DOTTED:
        (target / name).rename(target / f".{name}")
    shutil.copy(target / ".env", target / ".env.example")


def _commented(text: str) -> str:
    """How another vendor is declared."""
    return "\n".join(["", *(f"#{line}" for line in text.removeprefix(HEADING).splitlines()), ""])
