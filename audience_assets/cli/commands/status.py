"""`audience-assets status`: every list, what it holds, how its last sync went."""

from __future__ import annotations

from typing import Any

from audience_assets.cli.codes import Code
from audience_assets.cli.declare import declare
from audience_assets.cli.session import Session
from audience_assets.cli.words import count, moment, table
from audience_assets.sync import latest_reconciliations, latest_syncs, list_notes, present_lists

COLUMNS = ("activation", "list", "state", "when", "members", "added", "removed", "rejected", "absent")
COMPARED = ("reconciled", "missing", "not ours")
BAD_STATES = frozenset({"failed", "blocked"})


@declare("status")
def command(session: Session) -> Code:
    """Show what each list holds, how its last sync went, and what its last `reconcile` found.

    Lists that no activation keeps any more are shown while they have members.
    Fails (1) when the last sync of any list failed or was stopped by a guard.
    """
    with session.runtime() as runtime:
        syncs, compared, notes = latest_syncs(runtime), latest_reconciliations(runtime), list_notes(runtime)
        held = {name: kept.members for name, kept in present_lists(runtime).items()}
        project = runtime.project
        # A draft has no lists yet; an archived campaign's are still there.
        present = {name: each for name, each in project.effective.items() if name in project.delivered or name in syncs}
        lists = {name: each.list_name for name, each in present.items()}
    # Lists without an activation have a line, too: people are in them.
    lists.update({note.activation: "" for note in notes if note.activation not in lists})
    told = {note.activation: note.message for note in notes}
    rows = [
        _row(name, list_name, syncs.get(name), held.get(name), compared.get(name), told.get(name))
        for name, list_name in lists.items()
    ]
    if session.as_json:
        session.answer(rows)
    else:
        # Nobody needs columns of dashes.
        columns = (*COLUMNS, *COMPARED) if compared else COLUMNS
        cells = [_cells(row)[: len(columns)] for row in rows]
        session.say(table(None, columns, cells, numbers=", ".join((*COLUMNS[4:], *COMPARED[1:]))))
        for row in rows:
            if row["error"]:
                session.say(f"{row['activation']}: {row['error']}")
            if row["note"]:
                session.say(f"{row['activation']}: {row['note']}")
    return Code.FAILED if any(row["state"] in BAD_STATES for row in rows) else Code.OK


def _row(
    activation: str,
    list_name: str,
    sync: dict[str, Any] | None,
    members: int | None,
    compared: dict[str, Any] | None,
    note: str | None,
) -> dict[str, Any]:
    sync = sync or {}
    report = sync.get("report") or {}
    figures = {name: report.get(name) for name in ("added", "removed", "rejected", "absent", "calls", "seconds")}
    return {
        "activation": activation,
        "list": report.get("list_name", list_name),
        "url": report.get("list_url"),
        "state": sync.get("state", "never synced"),
        "started_at": sync.get("started_at"),
        # Whatever became of the newest sync, the list holds somebody.
        "members": members,
        **figures,
        "error": sync.get("error"),
        "reconciled": compared,
        "note": note,
    }


def _cells(row: dict[str, Any]) -> list[str]:
    figures = [count(row[name]) for name in ("members", "added", "removed", "rejected", "absent")]
    compared = row["reconciled"] or {}
    drift = [moment(compared.get("reconciled_at")), count(compared.get("missing")), count(compared.get("not_ours"))]
    return [row["activation"], row["list"], row["state"], moment(row["started_at"]), *figures, *drift]
