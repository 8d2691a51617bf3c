"""`audience-assets sandbox`: a local Klaviyo."""

from __future__ import annotations

import click

from audience_assets.cli.contacts import contacts
from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.waiting import stop_signals, wait
from audience_assets.cli.words import plural
from audience_assets.project.files import PROJECT as PROJECT_FILE
from audience_assets.sandbox import Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox

PORT = 8787
KEY = "pk_sandbox"


@declare(
    "sandbox",
    click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one."),
    click.option("--key", default=KEY, show_default=True, help="The API key the sandbox knows."),
    click.option(
        "--known",
        type=click.IntRange(0, 100),
        default=90,
        show_default=True,
        metavar="PERCENT",
        help="Share of the project's people who are contacts there.",
    ),
    click.option("--rate-limits/--no-rate-limits", default=True, help="Refuse calls as Klaviyo does. On by default."),
    click.option("--latency", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS", help="Added to each call."),
    json=False,
)
def command(session: Session, port: int, key: str, known: int, rate_limits: bool, latency: float) -> None:
    """Serve a Klaviyo on this machine until Ctrl-C.

    It keeps Klaviyo's rules, caps and rate limits, and shows lists, members, consents and requests on a page.
    In a project's folder most of its people are made contacts there. Nothing is kept when it ends.
    """
    klaviyo = KlaviyoSandbox(rate_limits=rate_limits)
    account = klaviyo.account("sandbox", key=key)
    if (session.folder / PROJECT_FILE).is_file():
        with session.runtime() as runtime:
            made = account.add_profiles(contacts(runtime, known))
        session.say(f"{plural(made, 'contact')} from {session.folder.resolve().name}")
    try:
        sandbox = Sandbox([klaviyo], port=port, latency=latency)
    except OSError as error:
        raise click.UsageError(f"Port {port} can't be used: {error.strerror}. Choose another with --port.") from error
    with stop_signals() as stopped, sandbox:
        session.say(f"Klaviyo sandbox on {sandbox.url} (a page to look at, and the base_url to use). Ctrl-C ends it.")
        wait(stopped)
