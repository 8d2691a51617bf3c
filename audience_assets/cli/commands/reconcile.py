"""`audience-assets reconcile`: a list at the vendor, compared with what we know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import click
from rich.status import Status
from rich.table import Table

from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.cli.words import duration, plural, table
from audience_assets.project.times import parse_duration
from audience_assets.sync import Progress, Reconciliation, reconcile


def _span(context: click.Context, parameter: click.Parameter, value: str) -> timedelta:
    del context, parameter
    try:
        return parse_duration(value).exact()
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@declare(
    "reconcile",
    click.argument("activation"),
    click.option("--apply", is_flag=True, help="Let the next sync decide anew about members who are missing."),
    click.option(
        "--settling",
        default="1h",
        show_default=True,
        callback=_span,
        help="Do not judge who was delivered within this time: vendors apply changes later.",
    ),
)
def command(session: Session, activation: str, apply: bool, settling: timedelta) -> Code:
    """Compare the vendor's list with our ledger. Nothing is written at the vendor.

    Members who are missing there were taken off the list, or opted out. With --apply the next sync decides about them
    as about anybody who enters: it adds whom somebody took off, and opts in nobody who opted out, unless the consent
    history holds a newer opt-in. Members we did not add are counted and left alone.

    Fails (1) when members are missing and --apply was not said.
    """
    with session.runtime() as runtime:
        known(activation, "activation", runtime.project.effective)
        with session.err.status(f"reading the list of {activation}") as status:
            found = reconcile(runtime, activation, apply=apply, settling=settling, progress=_teller(status))
    if session.as_json:
        session.answer(found.as_dict())
    else:
        session.say(*_summary(found))
    return Code.FAILED if found.missing and not apply else Code.OK


def _teller(status: Status) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        status.update(
            f"reading the list of {progress.activation}: {progress.done:,} of some {progress.total:,} members"
        )

    return told


def _summary(found: Reconciliation) -> Iterator[str | Table]:
    yield (
        f"{found.activation}: {plural(found.at_vendor, 'member')} in {found.list_name!r}, "
        f"read in {duration(found.seconds)}"
    )
    rows = [
        ("in both", found.in_both),
        ("ours, no longer in the list", found.missing),
        ("ours, not confirmed yet", found.unconfirmed),
        ("ours, undecided or just delivered", found.undecided),
        ("in the list, not ours (they stay)", found.not_ours),
        *([("  of these opted in by us before they left", found.asked_by_us)] if found.asked_by_us else []),
    ]
    yield table(None, ("", "members"), [(words, f"{number:,}") for words, number in rows], numbers="members")
    if found.missing and found.applied:
        yield f"The next sync decides about {plural(found.missing, 'member')} anew."
    elif found.missing:
        yield f"To let the next sync decide about them anew: audience-assets reconcile {found.activation} --apply"
