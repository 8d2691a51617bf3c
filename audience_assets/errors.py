"""The errors a person can cause or mend.

    AudienceError
    ├── ProjectError        the YAML is wrong: every problem, with file, line, field and the nearest valid name
    ├── WarehouseError      the warehouse can't be reached, or lacks a table or column
    ├── GuardTripped        a plan looks wrong and nothing was sent (sync.guards)
    ├── SyncBusy, LeaseLost another sync holds the list (sync.lease)
    └── DestinationError    the vendor refused or could not be reached (destinations.base)

The command line prints these without a traceback. None of them ever holds a member's data or a secret.
"""

from __future__ import annotations

from dataclasses import dataclass


class AudienceError(Exception):
    """What went wrong and how to mend it, in words a user understands."""


class WarehouseError(AudienceError):
    """The warehouse can't be reached or lacks something a model names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a project's files."""

    file: str
    line: int
    field: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}"
        text = f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


class ProjectError(AudienceError):
    """Every mistake found in a project, all at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))
