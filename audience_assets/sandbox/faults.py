"""Faults on demand: which call fails, how, and on which side of the write."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from audience_assets.sandbox.messages import Request


class Action(StrEnum):
    """What goes wrong. BEFORE: the write did not happen. AFTER: it did, and the caller does not learn of it."""

    LATENCY_BEFORE = "latency_before"
    LATENCY_AFTER = "latency_after"
    THROTTLE = "throttle"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TRUNCATE = "truncate"  # the write happened, the answer stops half way
    CHALLENGE = "challenge"  # an HTML 403 from the proxy before the vendor
    NOT_APPLIED = "not_applied"  # accepted, and silently never done
    REPLACE = "replace"  # the write happened, and the answer is another: a page, or JSON of another form
    HOOK_BEFORE = "hook_before"
    HOOK_AFTER = "hook_after"


DELAYS = frozenset({Action.LATENCY_BEFORE, Action.LATENCY_AFTER, Action.HOOK_BEFORE, Action.HOOK_AFTER})


@dataclass(slots=True)
class Fault:
    """A rule. It looks at the calls whose endpoint name matches `endpoint` (shell wildcards).

    `calls` are the ordinal numbers (from 1, counted since the rule was added) that are hit; without them
    each matching call is hit with `probability`. The rule ends after `times` hits. `seconds` is the latency,
    `status` the error's or the other answer's, whose text is `content`, `retry_after` the throttle's whole seconds.
    `hook` runs in the server's thread, on the action's side of the write: a test may kill a process in it.
    """

    action: Action
    endpoint: str = "*"
    calls: Collection[int] = ()
    probability: float = 1.0
    times: int | None = None
    seconds: float = 0.0
    status: int = 503
    content: str = ""
    retry_after: int | None = 1
    hook: Callable[[Request], None] | None = None
    seen: int = field(default=0, init=False)
    hits: int = field(default=0, init=False)

    def strikes(self, endpoint: str, chance: float) -> bool:
        """Whether this call is hit; counts it."""
        if not fnmatchcase(endpoint, self.endpoint):
            return False
        self.seen += 1
        if self.times is not None and self.hits >= self.times:
            return False
        hit = self.seen in self.calls if self.calls else chance < self.probability
        self.hits += hit
        return hit


@dataclass(slots=True)
class Decision:
    """What happens to one call: any number of delays and at most one failure."""

    delays: list[Fault] = field(default_factory=list)
    failure: Fault | None = None


class Faults:
    """The rules in force. The same seed and the same calls give the same failures."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._rules = [*self._rules, fault]
        return fault

    def clear(self, seed: int | None = None) -> None:
        """Drop every rule; with a seed, start its sequence anew."""
        with self._lock:
            self._rules = []
            if seed is not None:
                self._random.seed(seed)

    def rules(self) -> list[Fault]:
        return list(self._rules)

    def decide(self, endpoint: str) -> Decision:
        """The first failure that strikes wins; delays add up."""
        decision = Decision()
        if not self._rules:
            return decision
        with self._lock:
            for rule in self._rules:
                is_delay = rule.action in DELAYS
                if (is_delay or decision.failure is None) and rule.strikes(endpoint, self._random.random()):
                    if is_delay:
                        decision.delays.append(rule)
                    else:
                        decision.failure = rule
        return decision
