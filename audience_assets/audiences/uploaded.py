"""Uploaded lists: `lists/<name>.csv` of the project, loaded where conditions can join them."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from audience_assets.audiences.definition import all_nodes, nodes
from audience_assets.errors import WarehouseError
from audience_assets.project.conditions import Condition, UploadedList
from audience_assets.project.operators import coerce
from audience_assets.project.project import Project
from audience_assets.warehouse.json_rows import encode_rows, json_rows
from audience_assets.warehouse.keys import found_keys
from audience_assets.warehouse.state import State

CHUNK = 10_000


def load_uploaded_lists(
    engine: Engine, state: State, project: Project, names: Collection[str] | None = None
) -> dict[str, int]:
    """Make the tables of the lists that segments name (or only of `names`) equal to their files.

    Returns list -> number of keys; a refresh does this by itself for the lists its segment needs.

    A file has a header and one key a row, in the column named as the users model's key, or else in the first.
    Blank rows and repeats are left out. Raises WarehouseError naming the file and line of a wrong key, or of a header
    that is missing.
    """
    counts = {}
    for name, model in _named_lists(project).items():
        if names is not None and name not in names:
            continue
        declared = project.models[model]
        file = project.root / "lists" / f"{name}.csv"
        keys = dict.fromkeys(_keys(file, declared.key, declared.key_type))
        with engine.begin() as connection:
            _replace(connection, state.uploaded_list(name, declared.key_type), keys)
        counts[name] = len(keys)
    return counts


def uploaded_lists(project: Project, segment: str) -> set[str]:
    """The lists that a segment's conditions read."""
    return lists_read(all_nodes(project, segment))


def lists_read(conditions: Iterable[Condition]) -> set[str]:
    """The lists that these conditions read themselves."""
    return {node.list for node in conditions if isinstance(node, UploadedList)}


def _named_lists(project: Project) -> dict[str, str]:
    """List -> users model of a segment or a campaign that names it."""
    named = [(segment.where, project.users_model(name)) for name, segment in project.segments.items()]
    named += [
        (part.where, project.campaign_model(name))
        for name, campaign in project.campaigns.items()
        for part in campaign.sub_audiences
    ]
    return {name: model for condition, model in named for name in lists_read(nodes(condition))}


def _keys(file: Path, key: str, key_type: str) -> Iterator[str | int]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            header = [title.strip() for title in next(reader, [])]
            _expect_header(header, key, key_type, file)
            column = header.index(key) if key in header else 0
            for row in reader:
                text = row[column].strip() if len(row) > column else ""
                if text:
                    yield _key(text, key_type, file, reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WarehouseError(f"lists/{file.name} can't be read as a UTF-8 CSV file: {error}") from error


def _expect_header(header: Sequence[str], key: str, key_type: str, file: Path) -> None:
    """A key in its place would be lost, and an empty file is an upload that failed. Of text nobody can tell."""
    if not any(header):
        raise WarehouseError(f"lists/{file.name} is empty: its first line names the column of keys, e.g. {key}")
    if key in header or key_type == "text":
        return
    try:
        coerce(header[0], key_type)
    except ValueError:
        return
    raise WarehouseError(f"lists/{file.name}:1: the first line is a key; it has to name the column, e.g. {key}")


def _key(text: str, key_type: str, file: Path, line: int) -> str | int:
    try:
        key: str | int = coerce(text, key_type)
    except ValueError:
        # The key itself may be personal data (an e-mail address) and is not repeated.
        raise WarehouseError(f"lists/{file.name}:{line}: the key is not of type {key_type}") from None
    return key


def _replace(connection: Connection, table: sa.Table, keys: Collection[str | int]) -> None:
    table.create(connection, checkfirst=True)
    if found_keys(connection, [table])[table.name]:
        # Of keys of another type, before the model's changed. The file has everything.
        table.drop(connection, checkfirst=False)
        table.create(connection, checkfirst=False)
    if set(connection.scalars(sa.select(table.c.user_key))) == set(keys):
        return
    connection.execute(sa.delete(table))
    rows = json_rows("keys", {"user_key": table.c.user_key.type})
    insert = sa.insert(table).from_select(["user_key"], sa.select(rows.c.user_key))
    remaining = iter(keys)
    while chunk := list(islice(remaining, CHUNK)):
        connection.execute(insert, {"keys": encode_rows([key] for key in chunk)})
