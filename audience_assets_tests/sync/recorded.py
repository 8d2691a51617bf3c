"""Syncs of every kind, with every statement they execute kept for whoever asks whether another warehouse takes it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.schema import ExecutableDDLElement

import audience_assets

PACKAGE = Path(audience_assets.__file__).parent
SQLALCHEMY = str(Path(sa.__file__).parent)
# What it sends is never sent elsewhere.
DUCKDB_ONLY = "warehouse/counting.py"
EXECUTES = ("execute", "scalar", "scalars")


@dataclass(frozen=True)
class Site:
    """A place in the package that executes something."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Statement:
    """What was executed, before any dialect had it written down. `keys` names the parameters given with it."""

    element: Any
    keys: tuple[str, ...]
    site: Site

    def text(self, dialect: Dialect) -> str:
        if isinstance(self.element, ExecutableDDLElement):
            return str(self.element.compile(dialect=dialect))
        options = {"render_postcompile": True}
        return str(self.element.compile(dialect=dialect, column_keys=list(self.keys), compile_kwargs=options))


@dataclass
class Recording:
    """Statements of ours in the order they were first executed, and SQL that went past SQLAlchemy's compiler."""

    statements: list[Statement] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    def unheard(self, *folders: str) -> list[Site]:
        """Places in these folders of the package that could execute something and never did."""
        heard = {(statement.site.file, statement.site.line) for statement in self.statements}
        return [
            Site(file, first)
            for folder in folders
            for file, first, last in _executing(PACKAGE / folder)
            if not any((file, line) in heard for line in range(first, last + 1))
        ]


def _executing(folder: Path) -> Iterator[tuple[str, int, int]]:
    """(File, first line, last line) of each call that executes a statement."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in EXECUTES:
                yield str(path.relative_to(PACKAGE)), node.lineno, node.end_lineno or node.lineno


def _site() -> Site | None:
    """Who executes: the nearest caller outside SQLAlchemy, if it is ours. A driver's reflection is not."""
    frame = sys._getframe(2)
    while frame.f_back and frame.f_code.co_filename.startswith((SQLALCHEMY, "<string>")):
        frame = frame.f_back
    path = Path(frame.f_code.co_filename)
    return Site(str(path.relative_to(PACKAGE)), frame.f_lineno) if path.is_relative_to(PACKAGE) else None


@contextmanager
def recording() -> Iterator[Recording]:
    """Listens to every engine of this process."""
    found = Recording()

    def executes(_: Connection, element: Any, many: Sequence[Any], one: dict[str, Any], __: Any) -> None:
        site = _site()
        if site:
            given = many[0] if many else one
            found.statements.append(Statement(element, tuple(sorted(given)), site))

    def sends(_: Connection, __: Any, text: str, ___: Any, context: Any, ____: bool) -> None:
        site = _site()
        if site and site.file != DUCKDB_ONLY and (context is None or context.compiled is None):
            found.raw.append(text)

    sa.event.listen(sa.Engine, "before_execute", executes)
    sa.event.listen(sa.Engine, "before_cursor_execute", sends)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_execute", executes)
        sa.event.remove(sa.Engine, "before_cursor_execute", sends)
