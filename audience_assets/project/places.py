"""Where in the project's files something stands, and how a mistake there is reported."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from audience_assets.errors import Problem
from audience_assets.project.yaml_text import Document, KeyPath, dotted


def close_match(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that is most like this one, whatever its case; None if none is."""
    folded = {each.lower(): each for each in reversed([str(each) for each in valid])}
    close = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def did_you_mean(name: str, valid: Iterable[str]) -> str | None:
    """A hint with the nearest valid name, if one is near."""
    close = close_match(name, valid)
    return f"did you mean {close!r}?" if close else None


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """A hint with the nearest valid name, or else with all of them if there are few."""
    names = [str(each) for each in valid]
    return did_you_mean(name, names) or (f"there is {', '.join(names)}" if 0 < len(names) <= 8 else None)


@dataclass(frozen=True)
class Place:
    """A path in a document. All places of one loading share one list of problems.

    `left_out` are items of lists that were taken out of what is judged: the others are counted without them.
    """

    document: Document
    path: KeyPath = ()
    problems: list[Problem] = field(default_factory=list, compare=False)
    left_out: frozenset[KeyPath] = frozenset()

    @classmethod
    def nowhere(cls) -> Place:
        """For a question whose answer alone matters: what is reported here is lost."""
        return cls(Document("", None))

    def at(self, *keys: str | int) -> Place:
        path = self.path
        for key in keys:
            path = (*path, self._index_as_written(path, key) if isinstance(key, int) else key)
        return replace(self, path=path)

    def _index_as_written(self, path: KeyPath, index: int) -> int:
        for gone in sorted(last for *parents, last in self.left_out if (*parents,) == path and isinstance(last, int)):
            index += gone <= index
        return index

    def without(self, paths: Iterable[KeyPath]) -> Place:
        """The same place for data that lacks what stands at these paths below it."""
        return replace(self, left_out=self.left_out | {(*self.path, *path) for path in paths})

    @property
    def line(self) -> int:
        return self.document.line(self.path)

    def up(self, levels: int) -> Place:
        """The place so many levels further up."""
        return replace(self, path=self.path[: len(self.path) - levels])

    @property
    def written(self) -> bool:
        """Whether something stands here."""
        return self.path in self.document.positions

    @property
    def source(self) -> str:
        return f"{self.document.file}:{self.line}"

    def report(self, message: str, hint: str | None = None) -> None:
        problem = Problem(self.document.file, self.line, dotted(self.path), message, hint)
        if problem not in self.problems:
            self.problems.append(problem)

    def unknown(self, what: str, name: str, valid: Iterable[str], *, where: str = "") -> None:
        """Report a name that is none of the valid ones, with the nearest."""
        self.report(f"there is no {what} {name!r}{where and ' ' + where}", nearest(name, valid))
