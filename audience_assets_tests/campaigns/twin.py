"""A campaign in plain Python, person by person: what the SQL is held against."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from audience_assets.campaigns.bucket_map import BucketMap, first_map, rebalanced, shares, sizes
from audience_assets.campaigns.exact import allocate_strata, surplus
from audience_assets.project.campaigns import Campaign, Group, Remaining, SubAudience
from audience_assets.project.conditions import FieldCondition
from audience_assets_tests.campaigns.people import Person

SMALL = 10_000


def u32(salt: str, key: int | str) -> int:
    return int(hashlib.md5(f"{salt}:{key}".encode(), usedforsecurity=False).hexdigest()[:8], 16)


@dataclass(frozen=True)
class Row:
    """A row of the ledger."""

    user: int
    sub: str
    group: str
    control: bool
    bucket: int
    stratum: str
    version: int
    assigned_at: datetime
    last_seen_at: datetime | None = None


@dataclass(frozen=True)
class Part:
    salt: str
    method: str
    sticky: str
    assignment: str
    control: str | None
    ranges: BucketMap
    holdout: str | None

    def group(self, bucket: int) -> str:
        return next(each.group for each in self.ranges if each.start <= bucket < each.end)

    @property
    def quotas(self) -> dict[str, int]:
        return dict(sorted(sizes(self.ranges).items(), key=lambda each: each[0] != self.control))


@dataclass
class Held:
    """Somebody held out, since when, and until when."""

    user: int
    version: int
    held_out_at: datetime
    left_at: datetime | None = None


@dataclass
class Place:
    """Somebody in a sub-audience, with the row of the ledger they have."""

    user: int
    sub: str
    stratum: str
    former: Row | None
    group: str | None = None


@dataclass
class Twin:
    """`refresh` does what a refresh does; the rest is what the tables should hold after it."""

    holdout: int = 0  # buckets
    ledger: list[Row] = field(default_factory=list)
    recipients: dict[tuple[int, str], Row] = field(default_factory=dict)
    since: dict[tuple[int, str], datetime] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    versions: list[dict[str, Part]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    last_run: datetime | None = None

    def refresh(self, campaign: Campaign, people: Mapping[int, Person], as_of: datetime) -> None:
        matched = self._matched(campaign, people)
        new_version = self._new_version(campaign, matched)
        newest = self.versions[-1]
        self._hold_out(as_of)
        places = self._places(campaign, matched, people)
        for place in places:
            part = newest[place.sub]
            place.group = place.former.group if place.former else self._like_the_lost(campaign, place)
            if part.method == "hash" and (place.group is None or part.sticky == "rebalance"):
                place.group = part.group(u32(part.salt, place.user) % 10_000)
        self._assign_exactly(places, released=new_version and campaign.split.sticky == "rebalance")
        present = {(place.user, place.sub): self._row(place, as_of) for place in places}
        if campaign.assignment == "all_matches":
            in_control = {row.user for row in present.values() if row.control}
            present = {key: row for key, row in present.items() if row.control or row.user not in in_control}
        self._follow(present, as_of)

    # Who is in which sub-audience

    def _matched(self, campaign: Campaign, people: Mapping[int, Person]) -> list[tuple[int, str]]:
        self.left_out = Counter()
        self.held_now: set[int] = set()
        found: list[tuple[int, str]] = []
        for user in people:
            if not any(in_segment(name, user, people) for name in campaign.include):
                continue
            subs, reason = _subs(campaign, user, people), ""
            if any(in_segment(name, user, people) for name in campaign.exclude):
                reason = "excluded"
            elif subs and campaign.holdout and u32(f"holdout-{campaign.holdout}", user) % 10_000 < self.holdout:
                reason = "held_out"
                self.held_now.add(user)
            self.left_out["included"] += 1
            self.left_out[reason] += 1
            if not reason:
                found += [(user, sub) for sub in subs]
        return found

    def _hold_out(self, as_of: datetime) -> None:
        """Written down once for each draw; who is back is no news."""
        known = {each.user: each for each in self.held if each.version >= self._drawn_since()}
        for each in self.held:
            present = known.get(each.user) is each and each.user in self.held_now
            each.left_at = None if present else each.left_at or as_of
        self.held += [Held(user, len(self.versions), as_of) for user in self.held_now - known.keys()]

    def _drawn_since(self) -> int:
        salts = [{part.salt for part in version.values()} for version in self.versions]
        return next(n for n in range(len(salts), 0, -1) if n == 1 or salts[n - 2] != salts[-1])

    def _places(self, campaign: Campaign, matched: list[tuple[int, str]], people: Mapping[int, Person]) -> list[Place]:
        current = self._current(campaign)
        found = []
        for user, sub in matched:
            first_match = campaign.assignment == "first_match"
            former = current.get((user, None if first_match else sub))
            values = [getattr_of(people[user], name) for name in campaign.split.stratify_by]
            stratum = "\x1f".join("\x1e" if value is None else str(value) for value in values)
            found.append(Place(user, former.sub if former else sub, stratum, former))
        return found

    def _current(self, campaign: Campaign) -> dict[tuple[int, str | None], Row]:
        """The row of the ledger that counts, by person (and sub-audience)."""
        order = list(self.versions[-1])
        rows = [row for row in self._drawn() if self._is_there(row)]
        rows.sort(key=lambda row: (-row.version, order.index(row.sub)))
        found: dict[tuple[int, str | None], Row] = {}
        for row in rows:
            found.setdefault((row.user, None if campaign.assignment == "first_match" else row.sub), row)
        return found

    def _drawn(self) -> list[Row]:
        """Of the ledger, what was given since people were drawn anew."""
        return [row for row in self.ledger if row.version >= self._drawn_since()]

    def _is_there(self, row: Row) -> bool:
        part = self.versions[-1].get(row.sub)
        return bool(part and row.group in part.quotas and row.control == (row.group == part.control))

    def _lost(self, user: int, assignment: str) -> Row | None:
        """What somebody had and is no more; with all matches only a control."""
        rows = [row for row in self._drawn() if row.user == user and not self._is_there(row)]
        rows = [row for row in rows if row.control or assignment == "first_match"]
        return min(rows, key=lambda row: (not row.control, -row.version, row.sub, row.group), default=None)

    def _like_the_lost(self, campaign: Campaign, place: Place) -> str | None:
        part, lost = self.versions[-1][place.sub], self._lost(place.user, campaign.assignment)
        if lost is None:
            return None
        if lost.control:
            return part.control
        return lost.group if lost.group in part.quotas and lost.group != part.control else None

    # How it is split

    def _new_version(self, campaign: Campaign, matched: list[tuple[int, str]]) -> bool:
        before = self.versions[-1] if self.versions else {}
        split = campaign.split
        salt = next((part.salt for part in before.values()), campaign.campaign)
        if split.sticky == "reshuffle":
            salt = campaign.campaign + (f"-{split.round}" if split.round > 1 else "")
        wanted = {}
        for sub, groups in _declared(campaign):
            was = before.get(sub)
            method: str = split.method
            if method == "auto":
                small = sum(each == sub for _, each in matched) < SMALL
                method = "exact" if split.stratify_by or small else "hash"
                method = was.method if was and not split.stratify_by else method
            keep = was is not None and was.salt == salt
            control = next((group.name for group in groups if group.control), None)
            ranges = rebalanced(_called(was, control), shares(groups)) if was and keep else first_map(shares(groups))
            wanted[sub] = Part(salt, method, split.sticky, campaign.assignment, control, ranges, campaign.holdout)
        if wanted == before:
            self.versions[-1] = wanted  # the order may differ
            return False
        self.versions.append(wanted)
        return True

    def _assign_exactly(self, places: list[Place], *, released: bool) -> None:
        newest = self.versions[-1]
        for sub, part in newest.items():
            if part.method != "exact":
                continue
            here = [place for place in places if place.sub == sub]
            taken = self._taken(sub, part)
            if released:
                for place in here:
                    if place.group is not None and place.former is None:
                        groups = taken.setdefault(place.stratum, {})
                        groups[place.group] = groups.get(place.group, 0) + 1
                self._release(here, part, taken)
            waiting = [place for place in here if place.group is None]
            waiting.sort(key=lambda place: (u32(part.salt, place.user), place.user))
            strata = Counter(place.stratum for place in waiting)
            by_lot = sorted(strata, key=lambda stratum: (u32(part.salt, stratum) % 10_000, stratum))
            given = allocate_strata(part.quotas, taken, {stratum: strata[stratum] for stratum in by_lot})
            for stratum, groups in given.items():
                names = [group for group, number in groups.items() for _ in range(number)]
                theirs = [place for place in waiting if place.stratum == stratum]
                for place, name in zip(theirs, names, strict=True):
                    place.group = name

    def _taken(self, sub: str, part: Part) -> dict[str, dict[str, int]]:
        def split_by(version: dict[str, Part]) -> Any:
            its = version.get(sub)
            return its and (its.salt, its.method, its.ranges, its.control)

        alike = [split_by(version) == split_by(self.versions[-1]) for version in self.versions]
        since = next(n for n in range(len(alike), 0, -1) if n == 1 or not alike[n - 2])
        found: dict[str, dict[str, int]] = {}
        for row in self._current(self._as_declared(part)).values():
            lost = self._lost(row.user, part.assignment) if part.sticky != "rebalance" else None
            if lost and lost.control == row.control and (row.control or lost.group == row.group):
                continue
            if row.sub == sub and (part.sticky == "rebalance" or row.version >= since):
                groups = found.setdefault(row.stratum, {})
                groups[row.group] = groups.get(row.group, 0) + 1
        return found

    @staticmethod
    def _as_declared(part: Part) -> Any:
        return type("Declared", (), {"assignment": part.assignment})

    @staticmethod
    def _release(here: list[Place], part: Part, taken: dict[str, dict[str, int]]) -> None:
        for stratum, groups in taken.items():
            newcomers = sum(place.stratum == stratum and place.group is None for place in here)
            for group, number in surplus(part.quotas, dict(groups), newcomers).items():
                theirs = [place for place in here if place.stratum == stratum and place.group == group]
                theirs.sort(key=lambda place: (-u32(part.salt, place.user), -place.user))
                for place in theirs[:number]:
                    place.group = None
                    groups[group] -= 1

    # What is written

    def _row(self, place: Place, as_of: datetime) -> Row:
        part = self.versions[-1][place.sub]
        assert place.group is not None
        if place.former is not None and place.group == place.former.group:
            return place.former
        bucket = u32(part.salt, place.user) % 10_000
        control = place.group == part.control
        row = Row(place.user, place.sub, place.group, control, bucket, place.stratum, len(self.versions), as_of, None)
        self.ledger.append(row)
        return row

    def _follow(self, present: dict[tuple[int, str], Row], as_of: datetime) -> None:
        def same(one: Row | None, other: Row | None) -> bool:
            return bool(one and other and (one.group, one.version) == (other.group, other.version))

        gone = [row for key, row in self.recipients.items() if not same(row, present.get(key))]
        keys = {(row.user, row.sub, row.version) for row in gone}
        self.ledger = [
            replace(row, last_seen_at=self.last_run) if (row.user, row.sub, row.version) in keys else row
            for row in self.ledger
        ]
        stayed = {key for key, row in self.recipients.items() if same(row, present.get(key))}
        self.since = {key: self.since[key] if key in stayed else as_of for key in present}
        self.recipients = present
        self.last_run = as_of


def _declared(campaign: Campaign) -> list[tuple[str, list[Group]]]:
    parts: list[SubAudience | Remaining] = [*campaign.sub_audiences]
    parts += [campaign.remaining] if campaign.remaining else []
    return [(part.name, part.groups) for part in parts]


def _subs(campaign: Campaign, user: int, people: Mapping[int, Person]) -> list[str]:
    found = [part.name for part in campaign.sub_audiences if _matches(part, user, people)]
    if campaign.assignment == "first_match":
        found = found[:1]
    return found or ([campaign.remaining.name] if campaign.remaining else [])


def _matches(part: SubAudience, user: int, people: Mapping[int, Person]) -> bool:
    named = not part.segments or any(in_segment(name, user, people) for name in part.segments)
    if part.where is None:
        return named
    assert isinstance(part.where, FieldCondition)
    city, age = people[user]
    holds = city == "paris" if part.where.field == "city" else age is not None and age >= 18
    return named and holds


def getattr_of(person: Person, name: str) -> Any:
    return person[("city", "age").index(name)]


def in_segment(name: str, user: int, people: Mapping[int, Person]) -> bool:
    city, age = people[user]
    if name == "oldest":
        known = sorted((-each[1], u32("rank", key), key) for key, each in people.items() if each[1] is not None)
        return user in [key for *_, key in known[:5]]
    return {"everyone": True, "adults": age is not None and age >= 18, "parisians": city == "paris"}[name]


def _called(was: Part, control: str | None) -> BucketMap:
    """A control that is called otherwise now has the buckets that it had, unless a treatment had the name."""
    if was.control is None or control is None or control in sizes(was.ranges):
        return was.ranges
    return tuple(replace(each, group=control) if each.group == was.control else each for each in was.ranges)
