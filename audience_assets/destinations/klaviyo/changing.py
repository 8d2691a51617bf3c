"""A member's phone number changed: opt out the old number, subscribe the new one, and leave e-mail alone.

    old number on the member's profile, in the list and not opted out ─▶ opt it out, by text alone, naming no list
    then                                                              ─▶ the new number enters by the usual rules
    in the list as somebody whom Klaviyo knew by the old number alone ─▶ nothing: they leave first, then enter again

The opt-out names no list on purpose. Naming it would take the person off the list, e-mail and all, and on a double
opt-in list only a new confirmation would bring them back. Consent to texts belongs to the number, not to a list, so
nothing is lost by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import ConsentWrite, Member, Report, Throttled, Unavailable
from audience_assets.destinations.http import Answer
from audience_assets.destinations.klaviyo.endpoints import CAPS
from audience_assets.destinations.klaviyo.entering import Entering
from audience_assets.destinations.klaviyo.errors import REQUEST_ID
from audience_assets.destinations.klaviyo.leaving import Leaving, unsubscribe_item
from audience_assets.destinations.klaviyo.people import Person, read_addresses, read_people, report
from audience_assets.destinations.klaviyo.profiles import Profile
from audience_assets.destinations.rows import deliver_rows


@dataclass(frozen=True)
class Changing:
    """Updates members of a batch."""

    entering: Entering
    leaving: Leaving
    channels: Sequence[str]

    def deliver(self, members: Sequence[Member]) -> Report:
        """Members whose number is the same are here because a channel is due for another try."""
        client = self.entering.client
        before = client.calls
        people = read_people(members, self.entering.connection.default_region, self.channels)
        moved: list[Person] = []
        same: list[Person] = []
        for person in people:
            (moved if "sms" in self.channels and self._has_moved(person) else same).append(person)
        if same:
            self.entering.subscribe(same, self.channels)
        if moved:
            self._move(moved)
        for person in people:
            # An update leaves them in the list whatever became of the number.
            person.in_list = True
        return report(people, client.calls - before)

    def _move(self, people: Sequence[Person]) -> None:
        try:
            present = self.leaving.present("sms", [number for each in people if (number := self._old_number(each))])
            same = self._same_contacts(people, present)
        except (Throttled, Unavailable) as error:
            for person in people:
                person.undecided = error
            return
        staying = [person for person in people if person.member.identifier in same]
        for person in people:
            person.reenters = person.member.identifier not in same
        try:
            # What Klaviyo holds is judged before our own opt-out of the old number changes it.
            self.entering.prepare(staying, ("sms",))
            self._opt_out_old_numbers(staying, present)
        except (Throttled, Unavailable) as error:
            # Nothing was written for them; what was for others in the batch must not be lost.
            for person in staying:
                person.undecided = error
        self.entering.send([person for person in staying if person.undecided is None], ("sms",))

    def _same_contacts(self, people: Sequence[Person], present: Mapping[str, Profile]) -> set[str]:
        """Identifiers of members who are in the list by more than the number they had. `present` are owners by number.

        The others leave the list as the contact they were, and enter it as the one they are.
        """
        same, unsure = set[str](), list[tuple[str, Person]]()
        for person in people:
            number, email = self._old_number(person), person.addresses.get("email")
            if number is None or (number in present and _is_theirs(present[number], person)):
                same.add(person.member.identifier)
            elif email is not None:
                unsure.append((email, person))
        known = self.entering.look_up("email", (email for email, _ in unsure))
        # Where the number is what a member is known by, several may have one e-mail address.
        same |= {
            person.member.identifier
            for email, person in unsure
            if email in known and known[email].id == person.member.vendor_id
        }
        return same

    def _old_number(self, person: Person) -> str | None:
        old = read_addresses(person.member.previous or {}, self.entering.connection.default_region, ("sms",))["sms"]
        return old if isinstance(old, str) else None

    def _has_moved(self, person: Person) -> bool:
        return self._old_number(person) != person.addresses.get("sms")

    def _opt_out_old_numbers(self, people: Sequence[Person], present: Mapping[str, Profile]) -> None:
        old_numbers = {number: person for person in people if (number := self._old_number(person))}
        leaving = [
            (person, number, present[number])
            for number, person in old_numbers.items()
            if number in present
            and _is_theirs(present[number], person)
            and not present[number].consents["sms"].opt_outs
        ]

        def send(rows: Sequence[tuple[Person, str, Profile]]) -> Answer:
            return self.leaving.client.unsubscribe(None, [unsubscribe_item({"sms": number}) for _, number, _ in rows])

        for result in deliver_rows(leaving, send, at_most=CAPS.unsubscribe):
            person, number, _ = result.row
            if result.error is not None:
                # Whether it was applied is read from Klaviyo by the next sync.
                person.undecided = result.error
                if not isinstance(result.error, Throttled):
                    person.consents.append(
                        ConsentWrite("sms", number, "unsubscribed", "address_changed", certain=False)
                    )
            elif result.refusal is not None:
                person.refuse("sms", result.refusal.reason, result.refusal.detail)
            elif result.answer is not None:
                request_id = result.answer.headers.get(REQUEST_ID)
                person.consents.append(
                    ConsentWrite("sms", number, "unsubscribed", "address_changed", request_id=request_id)
                )


def _is_theirs(profile: Profile, person: Person) -> bool:
    """Not somebody else's, as recycled numbers are, and theirs without the number, too."""
    return profile.email is not None and profile.email == person.addresses.get("email")
