"""`audience-assets forget`: erase a person from our state, and keep a proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click
from rich.table import Table

from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.failures import tell
from audience_assets.cli.session import Session
from audience_assets.cli.words import moment, plural, table
from audience_assets.forgetting import Erasure, Proof, StillListed, Subject, forget, proofs_of, read_subject
from audience_assets.forgetting.subject import BadSubject
from audience_assets.runtime import Runtime

MARKS = {"member": "", "kept": ", left but not taken off"}


@declare(
    "forget",
    click.option("--email", metavar="ADDRESS", help="The person's e-mail address."),
    click.option("--phone", metavar="NUMBER", help="The person's phone number, with its country code."),
    click.option("--user", metavar="KEY", help="The person's key in the users model."),
    click.option("--model", help="The users model that KEY is of, where there are several."),
    click.option("--yes", is_flag=True, help="Erase. Without it, only count."),
    click.option("--even-if-listed", is_flag=True, help="Erase although a list at a vendor still holds the person."),
    click.option("--proof", is_flag=True, help="Also tell when this address or key was forgotten before."),
)
def command(
    session: Session,
    email: str | None,
    phone: str | None,
    user: str | None,
    model: str | None,
    yes: bool,
    even_if_listed: bool,
    proof: bool,
) -> Code:
    """Erase a person from our state: memberships, ledgers, plans, rejections, consent log, whatever names them.

    Counts what would go, by table; --yes erases it in one transaction and leaves a proof from which nobody can be read.
    The warehouse's own tables and the vendor are not touched: delete the person there first, and deliver.

    Exits with 3 while a list holds the person, because without our ledger nobody would take them off it.
    """
    given = [(kind, value) for kind, value in (("email", email), ("phone", phone), ("user", user)) if value is not None]
    if len(given) != 1:
        raise click.UsageError("Say who, in one way: --email, --phone or --user.")
    if model is not None and user is None:
        raise click.UsageError("--model says which model a --user is of.")
    with session.runtime() as runtime:
        try:
            subject = read_subject(runtime.project, *given[0], model)
        except BadSubject as error:
            raise click.UsageError(str(error)) from None
        code, found = _forget(runtime, subject, erase=yes, even_if_listed=even_if_listed)
        proofs = _proofs(runtime, subject) if proof else None
    if session.as_json:
        before = {"proofs": [asdict(each) for each in proofs]} if proofs is not None else {}
        session.answer({"by": subject.kind, **asdict(found), **before})
    else:
        session.say(*_summary(found), *_before(proofs))
    return code


def _forget(runtime: Runtime, subject: Subject, *, erase: bool, even_if_listed: bool) -> tuple[Code, Erasure]:
    try:
        found = forget(runtime, subject, erase=erase, even_if_listed=even_if_listed)
        if found.listed and not even_if_listed:
            raise StillListed(found)
    except StillListed as error:
        tell(error)
        return Code.GUARDED, error.found
    return Code.OK, found


def _proofs(runtime: Runtime, subject: Subject) -> list[Proof]:
    with runtime.engine.connect().execution_options(read_only=True) as connection, connection.begin():
        return proofs_of(connection, runtime.state, subject)


def _summary(found: Erasure) -> Iterator[str | Table]:
    if not found.rows:
        yield "Our state holds nothing of this person."
    else:
        title = "erased" if found.erased else "to be erased"
        rows = [(name, f"{number:,}") for name, number in found.rows.items()]
        yield table(title, ("table", "rows"), rows, numbers="rows")
    for each in found.listed:
        yield (
            f"{'Still' if found.erased else 'Now'} in the list of {each.activation} ({each.list_name}"
            f"{MARKS.get(each.status, ', in doubt')}){f': {each.url}' if each.url else ''}"
        )
    yield from _warnings(found)
    if found.rows and not found.erased and not found.listed:
        yield "Nothing was erased yet; to do it, say --yes."


def _warnings(found: Erasure) -> Iterator[str]:
    if found.listed and found.erased:
        yield "Nobody will take them off there but you: for the next sync they are somebody we did not add."
    for model, number in found.users.items():
        rows = plural(number, "row")
        if found.segments:
            where = ", ".join(found.segments)
            yield f"Still in model {model} ({rows}) and in segment {where}: the next sync would add them again."
        else:
            yield f"Still in model {model} ({rows}), in no segment: a segment that matches them would add them again."
    for name in found.uploaded:
        yield f"Still in lists/{name}.csv of the project: the next computation would load the key again."


def _before(proofs: Sequence[Proof] | None) -> Iterator[str]:
    if proofs is None:
        return
    for each in proofs:
        yield f"Forgotten at {moment(each.forgotten_at)}: {plural(sum(each.rows.values()), 'row')}."
    if not proofs:
        yield "There is no proof that this address or key was forgotten before."
