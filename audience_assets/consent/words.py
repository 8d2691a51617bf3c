"""Words of a consent history that nothing reads: an opt-out under a channel's unknown name would pass unseen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.counted import counted_rows
from audience_assets.consent.evidence import channel_words, spelled, word
from audience_assets.project.project import Project
from audience_assets.runtime import Runtime

# Channels whose entries say nothing of the others, whether or not a list of the project uses them.
CHANNELS = ("email", "sms")
EMPTY = "(empty)"


def unread_words(runtime: Runtime, model: str) -> list[str]:
    """A sentence for each column of the consent history `model` with words that no activation gives a meaning.

    One GROUP BY a column, over the whole history. Words of channels and statuses are no personal data.
    """
    events = counted_rows(runtime.project, model, runtime.now(), runtime.state)
    with runtime.engine.connect() as connection:
        return list(_sentences(connection, events, runtime.project, model))


def consent_histories(project: Project) -> set[str]:
    """Consent events models that an activation reads."""
    return {each.consent.history.model for each in project.delivered.values() if each.consent.history}


def _sentences(connection: Connection, events: sa.FromClause, project: Project, model: str) -> Iterator[str]:
    readers = [each.consent.history for each in project.delivered.values()]
    histories = [history for history in readers if history is not None and history.model == model]
    for column in sorted({history.channel for history in histories}):
        its = [history for history in histories if history.channel == column]
        names = {*CHANNELS, *(name for history in its for name in history.channels)}
        known = {each for history in its for name in names for each in channel_words(history, name)}
        if unread := _unread(connection, events.c[column], known):
            yield (
                f"no list reads entries of the channel {unread}: opt-outs under that name are not seen. Say in "
                "`consent.history.channels` what it stands for, or give it a line of its own there"
            )
    for column in sorted({history.status for history in histories}):
        its = [history for history in histories if history.status == column]
        known = {spelled(each) for history in its for each in (*history.opted_in, *history.opted_out)}
        if unread := _unread(connection, events.c[column], known):
            yield (
                f"the status {unread} is neither in `opted_in` nor in `opted_out` of `consent.history`: it takes an "
                "earlier opt-in back and opts nobody out"
            )


def _unread(connection: Connection, column: sa.ColumnElement[str], known: Iterable[str]) -> str:
    """`'text' (1,203), (empty) (7)`: unknown words and how often each is there, the most frequent first, or nothing."""
    text = sa.func.coalesce(word(column), "")
    entries = sa.func.count()
    query = sa.select(text, entries).where(text.not_in(list(known))).group_by(text)
    rows = connection.execute(query.order_by(entries.desc(), text).limit(5)).all()
    return ", ".join(f"{repr(found) if found else EMPTY} ({count:,})" for found, count in rows)
