"""Whether a warehouse works out buckets as every other does: eight known ones, asked of it in one query."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from audience_assets.errors import WarehouseError
from audience_assets.warehouse.functions import hash_u32

# Salt, key and the number they make, published with the construction and computed by other programs than this.
GOLDEN = (
    ("camp-42", "c1", 362611901),
    ("camp-42", "c2", 2856702099),
    ("camp-42", "user-0@example.com", 101357185),
    ("camp-42", "Zoë@exämple.com", 1870067388),
    ("camp-42", "名前", 3408437981),
    ("camp-42", "42", 739503441),
    ("camp-43", "42", 2411775195),
    ("global-holdout", "42", 4236469535),
)


def expect_same_buckets(connection: Connection) -> None:
    """Raises WarehouseError where another warehouse would give people other groups: nobody may be split there."""
    numbers = [hash_u32(salt, sa.literal(key, sa.String())).label(f"n{at}") for at, (salt, key, _) in enumerate(GOLDEN)]
    found = connection.execute(sa.select(*numbers)).one()
    wrong = [key for (_, key, number), its in zip(GOLDEN, found, strict=True) if int(its) != number]
    if wrong:
        raise WarehouseError(
            f"This warehouse works out other buckets than it should ({connection.dialect.name}, for {wrong[0]!r}), so "
            "people would be given other groups than anywhere else. Nobody was. Does it have md5, and texts in UTF-8?"
        )
