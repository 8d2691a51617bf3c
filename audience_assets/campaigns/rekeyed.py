"""A campaign whose users model has keys of another type than its tables: they are made anew, with the rows they had.

People are known again by their key spelled as text, which is also what their bucket is made from.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.store import temporary_table
from audience_assets.project.project import Project
from audience_assets.warehouse.keys import found_keys


def carry_over(connection: Connection, project: Project, model: str, table: sa.Table) -> None:
    """Give `table` keys of today's type, if it has others.

    Every row stays when keys become text. Otherwise a key that nobody in the users model has could not be written down;
    those rows go.
    """
    if found_keys(connection, [table])[table.name] is None:
        return
    names = [column.name for column in table.columns]
    columns = [sa.Column(each.name, sa.String if each.name == "user_key" else each.type) for each in table.columns]
    former = temporary_table("former", *columns)
    former.create(connection, checkfirst=False)
    values = [sa.cast(each, sa.String) if each.name == "user_key" else each for each in table.columns]
    connection.execute(sa.insert(former).from_select(names, sa.select(*values)))
    table.drop(connection, checkfirst=False)
    table.create(connection, checkfirst=False)
    declared = project.models[model]
    if declared.key_type == "text":
        rows = sa.select(former)
    else:
        users = Catalogue(project.settings).table(model)
        key = users.c[declared.key]
        others = [former.c[name] for name in names if name != "user_key"]
        rows = sa.select(key, *others).join_from(former, users, sa.cast(key, sa.String) == former.c.user_key)
    connection.execute(sa.insert(table).from_select(names, rows))
    former.drop(connection, checkfirst=False)
