"""`audience-assets sandbox`: the vendors on this machine."""

from __future__ import annotations

import click

from audience_assets.cli.contacts import contacts
from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.twins import FIRST, VENDORS, settings_used, vendors_of
from audience_assets.cli.waiting import stop_signals, wait
from audience_assets.cli.words import plural
from audience_assets.project.files import PROJECT as PROJECT_FILE
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.served import serve

PORT = 8787
KEY = "pk_sandbox"


@declare(
    "sandbox",
    click.argument("vendors", nargs=-1, type=click.Choice(VENDORS)),
    click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one."),
    click.option("--key", default=KEY, show_default=True, help="The API key or client secret the sandbox knows."),
    click.option(
        "--known",
        type=click.IntRange(0, 100),
        default=90,
        show_default=True,
        metavar="PERCENT",
        help="Share of the project's people who are contacts there.",
    ),
    click.option(
        "--rate-limits/--no-rate-limits", default=True, help="Refuse calls as the vendor does. On by default."
    ),
    click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Added to each call."),
    json=False,
)
def command(
    session: Session,
    vendors: tuple[str, ...],
    port: int,
    key: str,
    known: int,
    rate_limits: bool,
    latency: float,
) -> None:
    """Serve VENDORS on this machine until Ctrl-C: the project's, or a Klaviyo, if none is named.

    They keep the vendors' rules, caps and rate limits, and show lists, members and requests on a page. In a project's
    folder most of its people are made contacts there. Nothing is kept when it ends.
    """
    in_project = (session.folder / PROJECT_FILE).is_file()
    wanted = vendors or (vendors_of(session.project()) if in_project else [FIRST])
    twins = {name: serve(name, key, rate_limits=rate_limits) for name in wanted}
    if in_project:
        with session.runtime() as runtime:
            made = sum(twin.seed(contacts(runtime, name, known)) for name, twin in twins.items())
        session.say(f"{plural(made, 'contact')} from {session.folder.resolve().name}")
    try:
        sandbox = Sandbox([twin.vendor for twin in twins.values()], port=port, latency=latency)
    except OSError as error:
        raise click.UsageError(f"Port {port} can't be used: {error.strerror}. Choose another with --port.") from error
    with stop_signals() as stopped, sandbox:
        used = settings_used(session.project()) if in_project else {}
        for name, twin in twins.items():
            settings = {
                setting: value
                for setting, value in twin.settings(sandbox.url_of(name)).items()
                if name not in used or setting in used[name]
            }
            told = ", ".join(f"{setting}: {value}" for setting, value in settings.items())
            session.say(f"{twin.vendor.title} sandbox: {told}")
        session.say(f"A page to look at: {sandbox.url}. Ctrl-C ends it.")
        wait(stopped)
