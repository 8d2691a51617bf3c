"""Sending people to Iterable in one kind of call, and reading from its answers what became of each.

A 200 may hold failures, named by identifier. If it counts more than it names, the request is halved until each is
found; that repeats rows that went through, which changes nothing at Iterable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from audience_assets.destinations.base import BadBatch
from audience_assets.destinations.iterable.answers import (
    CONFLICT,
    FORGOTTEN,
    INVALID,
    INVALID_DATA,
    NOT_FOUND,
    BulkAnswer,
)
from audience_assets.destinations.iterable.attributes import Attributes
from audience_assets.destinations.iterable.errors import FieldsMismatched
from audience_assets.destinations.iterable.people import Person
from audience_assets.destinations.iterable.settings import EMAIL, IterableSettings
from audience_assets.destinations.rows import deliver_rows

Row = dict[str, Any]
# Each answer names all fields of one kind of conflict; a batch with more than this is halved.
MOST_CORRECTIONS = 5
UNNAMED = "unnamed"

_REFUSALS = {
    CONFLICT: ("identity_conflict", "the identifier belongs to another Iterable profile"),
    FORGOTTEN: ("forgotten", "the person was forgotten at Iterable (GDPR)"),
    UNNAMED: ("refused_by_vendor", "Iterable refused the row without a reason"),
}


@dataclass(frozen=True)
class Delivering:
    """Sends rows in calls of the settings' size."""

    settings: IterableSettings
    attributes: Attributes

    def send(
        self, people: Sequence[Person], row: Callable[[Person], Row], call: Callable[[Sequence[Row]], BulkAnswer]
    ) -> None:
        """Send everybody; what came of it is on the person. Errors that stop a sync are raised."""

        def request(part: Sequence[Person]) -> dict[str, str]:
            return self._request(part, row, call)

        for result in deliver_rows(people, request, at_most=self.settings.rows_per_call):
            person = result.row
            if result.error is not None:
                person.error = result.error
            elif result.refusal is not None:
                person.refuse(result.refusal.reason, _without_data(result.refusal.detail))
            elif result.answer is not None and person.identifier in result.answer:
                _judge(person, result.answer[person.identifier])

    def _request(
        self, people: Sequence[Person], row: Callable[[Person], Row], call: Callable[[Sequence[Row]], BulkAnswer]
    ) -> dict[str, str]:
        """Identifier -> kind of failure."""
        corrections = 0
        while True:
            rows = [row(person) for person in people]
            if len(orjson.dumps(rows)) > self.settings.bytes_per_call:
                raise BadBatch("The request would be too large.", reason="too_large", status=None)
            try:
                answer = call(rows)
            except FieldsMismatched as error:
                corrections += 1
                if corrections > MOST_CORRECTIONS or not self.attributes.correct(people, error.fields):
                    raise
                continue
            _tell_dropped(people, answer)
            return _attributed(people, answer)


def _attributed(people: Sequence[Person], answer: BulkAnswer) -> dict[str, str]:
    verdicts = answer.verdicts([person.identifier for person in people])
    if answer.failed > len(verdicts):
        if len(people) > 1:
            raise BadBatch("Iterable counts more failures than it names.", status=None)
        return {people[0].identifier: answer.only_kind() or UNNAMED}
    return verdicts


def _tell_dropped(people: Sequence[Person], answer: BulkAnswer) -> None:
    """Fields that Iterable left out of rows that it accepted."""
    for name in answer.dropped_fields:
        for person in people:
            if person.data.get(name) is not None:
                person.withhold(name, "field_dropped", "Iterable has no such field and did not create it")


def _judge(person: Person, kind: str) -> None:
    if kind == NOT_FOUND:
        person.absent = True
    elif kind == INVALID:
        what = "e-mail address" if person.kind == EMAIL else "user id"
        person.refuse(f"invalid_{person.kind}", f"Iterable takes no such {what}")
    elif kind == INVALID_DATA:
        if person.data and not person.bare:
            person.bare = True
        else:
            person.refuse("attributes_refused", "Iterable refused the row's data")
    else:
        person.unnamed = kind == UNNAMED
        person.refuse(*_REFUSALS[kind])


def _without_data(detail: str | None) -> str | None:
    """Our own sentence, less the vendor's reference."""
    return detail.partition(" [")[0] if detail else None
