"""`audience-assets doctor`: is everything reachable and allowed? One cheap call a check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click
import sqlalchemy as sa
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.failures import message_about, message_of
from audience_assets.cli.names import known
from audience_assets.cli.session import Session
from audience_assets.consent.words import consent_histories, unread_words
from audience_assets.destinations.base import ListMissing, ListService
from audience_assets.errors import AudienceError
from audience_assets.project.cautions import find_cautions
from audience_assets.runtime import Runtime
from audience_assets.sync import list_notes
from audience_assets.sync.kept import KeptList, present_lists
from audience_assets.warehouse.rehearsal import rehearse_writing

# Somebody waits, and an outage is an answer, too.
HURRY = {"tries": 2, "timeout_seconds": 15}


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one subject: a model, or an activation. A warning is something to know, not a failure."""

    subject: str
    check: str
    ok: bool
    message: str
    warning: bool = False


@declare("doctor", click.argument("activations", nargs=-1))
def command(session: Session, activations: tuple[str, ...]) -> Code:
    """Try each model and our tables in the warehouse, and each list's credentials, scopes, revision and name.

    Nothing is written. Without ACTIVATIONS every list is tried. Fails (1) if any check does.
    """
    results: list[Result] = []
    with session.runtime(create=False) as runtime:
        chosen = [known(name, "activation", runtime.project.effective) for name in activations]
        for result in _results(runtime, chosen or list(runtime.project.delivered)):
            results.append(result)
            _show(session, result)
    if session.as_json:
        session.answer([asdict(result) for result in results])
    return Code.OK if all(result.ok for result in results) else Code.FAILED


def _show(session: Session, result: Result) -> None:
    mark = Text("ok    ", style="green") if result.ok else Text("FAILED", style="bold red")
    if result.warning:
        mark = Text("warn  ", style="yellow")
    session.say(Text.assemble(mark, f"  {result.subject}: {result.check}: {result.message}"))


def _results(runtime: Runtime, activations: list[str]) -> Iterator[Result]:
    catalogue = Catalogue(runtime.project.settings)
    for name in runtime.project.models:
        yield _model(runtime, catalogue, name)
    yield from _consent_words(runtime)
    state = list(_state(runtime))
    yield from state
    if not all(result.ok for result in state):
        return
    refused: dict[tuple[str, str], str] = {}
    kept = present_lists(runtime)
    for name in activations:
        yield from _activation(runtime, name, kept.get(name), refused)
    for caution in find_cautions(runtime.project, runtime.destinations):
        if set(caution.activations) & set(activations):
            yield Result("lists", caution.check, True, caution.message, warning=True)
    for note in list_notes(runtime):
        if note.activation in activations or note.activation not in runtime.project.effective:
            yield Result(note.activation, note.check, True, note.message, warning=True)


def _model(runtime: Runtime, catalogue: Catalogue, name: str) -> Result:
    """Whether the table and every declared column can be read; the database plans the query without reading rows."""
    table = catalogue.table(name)
    try:
        with runtime.engine.connect() as connection:
            connection.execute(sa.select(table).where(sa.false())).all()
    except DBAPIError as error:
        return Result(name, "table", False, message_of(error))
    return Result(name, "table", True, f"{runtime.project.models[name].table} has its {len(table.columns)} columns")


def _state(runtime: Runtime) -> Iterator[Result]:
    """Whether our tables can be written. Without them no list can be delivered, or even looked up."""
    try:
        if rehearse_writing(runtime.state):
            yield Result("warehouse", "state", True, f"our tables can be made and written in {runtime.state.namespace}")
    except (AudienceError, DBAPIError) as error:
        yield Result("warehouse", "state", False, message_of(error))


def _consent_words(runtime: Runtime) -> Iterator[Result]:
    for model in sorted(consent_histories(runtime.project)):
        try:
            found = unread_words(runtime, model)
        except DBAPIError:
            continue  # said of the model's table already
        for sentence in found:
            yield Result(model, "consent words", True, sentence, warning=True)


def _activation(
    runtime: Runtime, name: str, kept: KeptList | None, refused: dict[tuple[str, str], str]
) -> Iterator[Result]:
    """What its service finds. `kept` is the list it has been delivered to.

    `refused` holds an activation for each service of a destination that let nobody in.
    """
    effective = runtime.project.effective[name]
    entrance = (effective.destination, effective.service)
    if entrance in refused:
        message = f"not tried: {effective.destination} failed for {refused[entrance]} already"
        yield Result(name, "connection", False, message)
        return
    results = list(_findings(runtime, name, kept if kept and kept.is_for(effective) else None))
    if len(results) == 1 and not results[0].ok:
        refused[entrance] = name
    yield from results


def _findings(runtime: Runtime, name: str, kept: KeptList | None) -> Iterator[Result]:
    try:
        service = runtime.service(name, at_most=HURRY)
        sound = True
        # A list that was delivered to is known by its id: one of its name may be another, or none.
        for finding in service.check(None if kept else runtime.project.effective[name].list_name):
            sound = sound and finding.ok
            yield Result(name, finding.check, finding.ok, finding.message)
        if kept and sound:
            yield _kept_list(service, name, kept)
    except AudienceError as error:
        yield Result(name, "connection", False, message_of(error))


def _kept_list(service: ListService, name: str, kept: KeptList) -> Result:
    try:
        found = service.get_list(kept.vendor_list_id)
    except ListMissing as error:
        told = message_about(name, error).removeprefix(f"{name}: ")
        return Result(name, "list", False, f"{kept.name!r} ({kept.vendor_list_id}): {told}")
    facts = "".join(f"; {fact}: {value}" for fact, value in found.facts.items() if fact != "adopted")
    return Result(name, "list", True, f"list {found.name!r} ({found.id}) exists, and we deliver to it{facts}")
