"""Any history of people, consent, outages and killed processes: in the end the list is right and nobody was wronged.

A machine drives the real engine against Klaviyo's twin over HTTP. `settle` ends the outages and syncs until nothing
is open, and then asks what a list owes its people:

    the list equals the audience, or a row says why not, and truly
    nobody was opted in against an opt-out that is newer than their consent
    every consent that we wrote at the vendor is in the log
    one more sync writes nothing
    whoever was in the list before us is still there
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from audience_assets.destinations.base import DestinationError
from audience_assets.destinations.klaviyo.resubscribe import OWN_OPT_OUT_SPAN
from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sandbox.klaviyo import KlaviyoSandbox, KlaviyoSwitches
from audience_assets_tests.sync.fragile import FragileList
from audience_assets_tests.sync.klaviyo_list import CONSENTS, LIST_NAME, USERS
from audience_assets_tests.sync.mortal import TickingClock
from audience_assets_tests.sync.verdicts import CHANNELS, Person, Verdicts

USER_KEYS = st.integers(1, 5)
EMAILS = st.sampled_from([f"{name}@x.com" for name in "abcdef"])
SPELLINGS = st.sampled_from(["{}", " {}", "{} "])
PHONES = st.sampled_from([f"+1202555010{number}" for number in range(1, 5)])
MAYBE_PHONES = PHONES | st.none()
FAULTS = st.sampled_from(
    [
        Action.THROTTLE,
        Action.ERROR_BEFORE,
        Action.ERROR_AFTER,
        Action.RESET_BEFORE,
        Action.RESET_AFTER,
        Action.TRUNCATE,
        Action.CHALLENGE,
    ]
)
STRUCK = st.sampled_from(["*", "bulk_subscribe_profiles", "bulk_unsubscribe_profiles", "get_profiles*", "get_list*"])
FOREIGN = ("foreign@y.com", "a@x.com")
# A sync that changes something has about a hundred steps.
STEPS = st.integers(1, 120)
MOST_SYNCS = 4
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SETTINGS = settings(max_examples=1000 if THOROUGH else 20, stateful_step_count=40 if THOROUGH else 25)


class KlaviyoList(RuleBasedStateMachine):
    """What people, consent events and contacts are is kept here a second time, in plain Python."""

    sandbox: Sandbox
    clock: TickingClock
    parent: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=self.parent)
        self.people: dict[int, Person] = {}
        self.audience: set[int] = set()
        self.ever: set[str] = set()

    @initialize(channels=st.sampled_from([("email",), ("email", "sms")]), history=st.booleans(), adopted=st.booleans())
    def begin(self, channels: tuple[str, ...], history: bool, adopted: bool) -> None:
        self.list = FragileList(Path(self.folder.name), self.sandbox, self.clock, channels, history)
        self.verdicts = Verdicts(self.list, self.people)
        account = self.list.account
        account.add_profiles([{"email": "b@x.com"}, {"email": "c@x.com", "phone_number": "+12025550101"}])
        account.add_profiles([{"email": "d@x.com"}])
        self.before_us: tuple[str, ...] = ()
        if adopted:
            target = account.create_list(LIST_NAME, "single_opt_in")
            rows = [{"email": each, "lists": [target.id], "consents": {"email": "SUBSCRIBED"}} for each in FOREIGN]
            account.add_profiles(rows)
            self.before_us = FOREIGN
        for key in (1, 2, 3):
            self.set_person(key, f"{'abc'[key - 1]}@x.com", None)
            self.consents(key, "email", "subscribed", timedelta(hours=2))
            self.enters(key)

    # -- what happens in the warehouse --------------------------------------------------------------------------------

    @rule(key=USER_KEYS, email=EMAILS, spelling=SPELLINGS)
    def changes_address(self, key: int, email: str, spelling: str) -> None:
        self.set_person(key, spelling.format(email), self.people[key].phone if key in self.people else None)

    @rule(key=USER_KEYS, email=EMAILS, phone=MAYBE_PHONES)
    def joins(self, key: int, email: str, phone: str | None) -> None:
        self.set_person(key, email, phone)
        self.enters(key)

    @rule(key=USER_KEYS, phone=MAYBE_PHONES)
    def changes_phone(self, key: int, phone: str | None) -> None:
        self.set_person(key, self.people[key].raw_email if key in self.people else None, phone)

    @rule(key=USER_KEYS)
    def loses_address(self, key: int) -> None:
        self.set_person(key, None, self.people[key].phone if key in self.people else None)

    @rule(key=USER_KEYS)
    def enters(self, key: int) -> None:
        self.audience.add(key)
        self.put_audience()

    @rule(key=USER_KEYS)
    def leaves(self, key: int) -> None:
        self.audience.discard(key)
        self.put_audience()

    @rule(
        key=USER_KEYS,
        channel=st.sampled_from(CHANNELS),
        status=st.sampled_from(["subscribed", "subscribed", "unsubscribed"]),
        ago=st.sampled_from([timedelta(0), timedelta(minutes=10), timedelta(days=1), timedelta(hours=-3)]),
    )
    def consents(self, key: int, channel: str, status: str, ago: timedelta) -> None:
        """The event may be loaded long after it happened, or date from a clock that is ahead."""
        if key not in self.people:
            return
        self.clock.advance(60)
        at = self.clock.moment() - ago
        self.people[key].history.append((channel, status, at))
        with self.list.engine.begin() as connection:
            number = (connection.scalar(sa.select(sa.func.max(CONSENTS.c.id))) or 0) + 1
            connection.execute(CONSENTS.insert().values(id=number, user_id=key, channel=channel, status=status, at=at))

    # -- what happens at the vendor -----------------------------------------------------------------------------------

    @rule(email=EMAILS, channel=st.sampled_from(CHANNELS))
    def opts_out_at_vendor(self, email: str, channel: str) -> None:
        # Sooner after an opt-out of ours the two can't be told apart.
        self.clock.advance(OWN_OPT_OUT_SPAN.total_seconds() + 60)
        if self.list.account.find(email):
            self.list.account.opt_out(email, channel)

    @rule(email=EMAILS, channel=st.sampled_from(CHANNELS))
    def opts_in_at_vendor(self, email: str, channel: str) -> None:
        self.clock.advance(60)
        if self.list.account.find(email):
            self.list.account.opt_in(email, channel)

    @rule(email=EMAILS, phone=MAYBE_PHONES)
    def becomes_known(self, email: str, phone: str | None) -> None:
        taken = phone is not None and self.list.account.find(phone) is not None
        self.list.account.add_profiles(
            [{"email": email} if taken or not phone else {"email": email, "phone_number": phone}]
        )

    @rule(action=FAULTS, endpoint=STRUCK, skipped=st.integers(0, 4), times=st.sampled_from([1, 2, 4, 9]))
    def fails(self, action: Action, endpoint: str, skipped: int, times: int) -> None:
        self.sandbox.faults.add(Fault(action, endpoint, calls=range(skipped + 1, skipped + 1 + times)))

    # -- syncs --------------------------------------------------------------------------------------------------------

    @rule(minutes=st.sampled_from([1, 20, 1500]))
    def time_passes(self, minutes: int) -> None:
        self.clock.advance(60 * minutes)

    @rule()
    def syncs(self) -> None:
        self.clock.advance(60)
        with contextlib.suppress(DestinationError):
            self.list.sync()
        self.verdicts.nobody_was_wronged()

    @rule(steps=STEPS)
    def is_killed(self, steps: int) -> None:
        self.clock.advance(60)
        with contextlib.suppress(DestinationError):
            self.list.sync_until(steps)
        self.verdicts.nobody_was_wronged()

    @rule()
    def settle(self) -> None:
        self.sandbox.faults.clear()
        states = []
        for _ in range(MOST_SYNCS):
            self.clock.advance(3600)
            states.append(self.list.sync().state)
            self.verdicts.nobody_was_wronged()
            if states[-1] != "partial":
                break
        assert states[-1] != "partial", "rows stay open without an outage"
        wanted = {person.identifier(self.list.channels): person for person in self.wanted()}
        self.verdicts.list_is_right(wanted, self.before_us, self.ever)
        self.verdicts.log_is_complete()
        before = self.list.writes()
        self.clock.advance(60)
        again = self.list.sync()
        assert self.list.writes() == before, f"written in a sync that had nothing to do: {again}"

    def teardown(self) -> None:
        try:
            if hasattr(self, "list"):
                self.sandbox.faults.clear()
                self.settle()
        finally:
            if hasattr(self, "list"):
                self.list.close()
            self.folder.cleanup()

    # -- keeping the warehouse and the copy of it the same ------------------------------------------------------------

    def set_person(self, key: int, email: str | None, phone: str | None) -> None:
        person = self.people.setdefault(key, Person())
        person.raw_email, person.phone = email, phone
        self.note_wanted()
        with self.list.engine.begin() as connection:
            connection.execute(USERS.delete().where(USERS.c.id == key))
            connection.execute(USERS.insert().values(id=key, email=email, phone=phone))

    def put_audience(self) -> None:
        self.note_wanted()
        segment = self.list.runtime.state.segment("vips", "integer")
        with self.list.engine.begin() as connection:
            connection.execute(segment.delete())
            rows = [{"user_key": key, "entered_at": self.clock.moment()} for key in sorted(self.audience)]
            if rows:
                connection.execute(segment.insert(), rows)

    def wanted(self) -> list[Person]:
        """One person for each identifier: the one with the smallest key."""
        found: dict[str, Person] = {}
        for key in sorted(self.audience & set(self.people)):
            person = self.people[key]
            if person.identifier(self.list.channels):
                found.setdefault(person.identifier(self.list.channels), person)
        return list(found.values())

    def note_wanted(self) -> None:
        """Who has once been in the audience is ours and may be removed."""
        for person in self.wanted():
            self.ever.update(filter(None, (person.email, person.phone)))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[type[KlaviyoList]]:
    """The machine with a vendor to talk to."""
    clock = TickingClock()
    vendor = KlaviyoSandbox(rate_limits=False, switches=KlaviyoSwitches(consent_delay=0.0))
    with Sandbox([vendor], clock=clock) as sandbox:

        class Connected(KlaviyoList):
            pass

        Connected.sandbox, Connected.clock, Connected.parent = sandbox, clock, tmp_path
        yield Connected


@pytest.mark.long
def test_any_history(machine: type[KlaviyoList]) -> None:
    run_state_machine_as_test(machine, settings=SETTINGS)


# Histories that once went wrong. Each ends with the verdicts of `settle`.


@pytest.fixture
def history(machine: type[KlaviyoList]) -> Iterator[KlaviyoList]:
    told = machine()
    yield told
    told.teardown()


def begin(history: KlaviyoList, *, imports: bool = False) -> None:
    history.begin(channels=("email",), history=imports, adopted=False)


def test_a_consent_time_that_is_loaded_after_the_refusal_opens_it(history: KlaviyoList) -> None:
    begin(history, imports=True)
    history.joins(key=4, email="d@x.com", phone=None)
    history.settle()
    assert history.list.ledger()["d@x.com"] == "rejected"
    history.consents(key=4, channel="email", status="subscribed", ago=timedelta(days=1))
    history.settle()
    assert history.list.ledger()["d@x.com"] == "member"


def test_an_opt_in_that_is_loaded_after_the_refusal_opens_it(history: KlaviyoList) -> None:
    begin(history)
    history.joins(key=4, email="d@x.com", phone=None)
    history.consents(key=4, channel="email", status="unsubscribed", ago=timedelta(days=1))
    history.settle()
    assert history.list.ledger()["d@x.com"] == "rejected"
    history.consents(key=4, channel="email", status="subscribed", ago=timedelta(minutes=10))
    history.settle()
    assert history.list.ledger()["d@x.com"] == "member"


def test_an_opt_in_whose_answer_was_lost_for_good_is_in_the_log(history: KlaviyoList) -> None:
    begin(history)
    history.fails(action=Action.RESET_AFTER, endpoint="bulk_subscribe_profiles", skipped=0, times=9)
    history.fails(action=Action.ERROR_BEFORE, endpoint="get_profiles", skipped=1, times=9)
    history.syncs()
    assert history.list.ledger()["b@x.com"] == "in_doubt"
    history.leaves(key=2)
    history.settle()


def test_an_opt_out_that_could_not_be_looked_at_is_in_the_log(history: KlaviyoList) -> None:
    begin(history)
    history.settle()
    history.leaves(key=2)
    history.fails(action=Action.RESET_AFTER, endpoint="bulk_unsubscribe_profiles", skipped=0, times=1)
    history.fails(action=Action.ERROR_BEFORE, endpoint="get_profiles_for_list", skipped=1, times=9)
    history.syncs()
    assert history.list.ledger()["b@x.com"] == "in_doubt"
    history.settle()


TEXTED, MOVED_TO = "+12025550101", "+12025550103"


def enters_by_number(history: KlaviyoList) -> None:
    """`a@x.com` is unknown to the vendor, and the number is that of the contact c@x.com, who left the segment."""
    history.begin(channels=("email", "sms"), history=False, adopted=False)
    history.leaves(key=3)
    history.changes_phone(key=1, phone=TEXTED)
    history.settle()


def test_a_contact_known_by_the_old_number_leaves_when_it_changes(history: KlaviyoList) -> None:
    enters_by_number(history)
    assert history.list.ledger()["a@x.com"] == "member"
    history.changes_phone(key=1, phone=MOVED_TO)
    history.settle()
    assert history.list.ledger()["a@x.com"] == "absent"


def test_a_contact_known_by_the_old_number_stays_as_somebody_else(history: KlaviyoList) -> None:
    """c@x.com is in the audience, too: only the other member's row goes."""
    history.begin(channels=("email", "sms"), history=False, adopted=False)
    history.changes_phone(key=1, phone=TEXTED)
    history.settle()
    assert (history.list.ledger()["a@x.com"], history.list.ledger()["c@x.com"]) == ("member", "member")
    history.changes_phone(key=1, phone=MOVED_TO)
    history.settle()
    assert (history.list.ledger()["a@x.com"], history.list.ledger()["c@x.com"]) == ("absent", "member")


def test_who_is_another_contact_by_their_new_number_enters_as_that_one(history: KlaviyoList) -> None:
    enters_by_number(history)
    history.becomes_known(email="e@x.com", phone=MOVED_TO)
    history.changes_phone(key=1, phone=MOVED_TO)
    history.settle()
    assert history.list.ledger()["a@x.com"] == "member"


def test_who_leaves_while_about_to_enter_again_is_out(history: KlaviyoList) -> None:
    enters_by_number(history)
    history.changes_phone(key=1, phone=MOVED_TO)
    history.syncs()
    history.leaves(key=1)
    history.settle()
    assert "a@x.com" not in history.list.ledger()


def test_a_number_in_doubt_that_is_somebody_elses_by_now_takes_nobody_off(history: KlaviyoList) -> None:
    history.begin(channels=("email", "sms"), history=False, adopted=False)
    history.joins(key=4, email="d@x.com", phone=MOVED_TO)
    history.loses_address(key=4)
    history.fails(action=Action.ERROR_BEFORE, endpoint="get_profiles", skipped=0, times=9)
    history.syncs()
    assert history.list.ledger()[MOVED_TO] == "in_doubt"
    history.sandbox.faults.clear()
    history.leaves(key=4)
    history.becomes_known(email="f@x.com", phone=MOVED_TO)
    history.joins(key=2, email="f@x.com", phone=None)
    history.fails(action=Action.ERROR_BEFORE, endpoint="get_profiles_for_list", skipped=0, times=9)
    history.syncs()
    assert history.list.ledger()["f@x.com"] == "member"
    history.settle()
    assert history.list.ledger()["f@x.com"] == "member"


def test_a_contact_subscribed_by_a_lost_call_leaves_when_the_number_changes(history: KlaviyoList) -> None:
    history.begin(channels=("email", "sms"), history=False, adopted=False)
    history.leaves(key=3)
    history.changes_phone(key=1, phone=TEXTED)
    history.fails(action=Action.RESET_AFTER, endpoint="bulk_subscribe_profiles", skipped=0, times=9)
    history.syncs()
    history.changes_phone(key=1, phone=MOVED_TO)
    history.settle()
    assert history.list.ledger()["a@x.com"] == "absent"


def test_a_changed_number_is_opted_out_and_the_new_one_in(history: KlaviyoList) -> None:
    history.begin(channels=("email", "sms"), history=True, adopted=False)
    history.changes_phone(key=2, phone="+12025550102")
    history.consents(key=2, channel="sms", status="subscribed", ago=timedelta(hours=1))
    history.settle()
    history.changes_phone(key=2, phone=MOVED_TO)
    history.settle()
    texts = [entry for entry in history.list.account.audit if entry.channel == "sms.marketing"]
    assert [(entry.phone, entry.after) for entry in texts] == [
        ("+12025550102", "SUBSCRIBED"),
        ("+12025550102", "UNSUBSCRIBED"),
        (MOVED_TO, "SUBSCRIBED"),
    ]


def test_who_is_in_doubt_and_has_another_number_by_now_is_opted_out_of_nothing(history: KlaviyoList) -> None:
    history.begin(channels=("email", "sms"), history=False, adopted=False)
    history.changes_phone(key=2, phone=MOVED_TO)
    history.fails(action=Action.ERROR_BEFORE, endpoint="get_profiles", skipped=0, times=9)
    history.syncs()
    assert history.list.ledger()["b@x.com"] == "in_doubt"
    history.sandbox.faults.clear()
    history.changes_phone(key=2, phone="+12025550104")
    history.settle()
    assert history.list.ledger()["b@x.com"] == "member"
    assert [entry for entry in history.list.account.audit if entry.origin == "unsubscribe"] == []
