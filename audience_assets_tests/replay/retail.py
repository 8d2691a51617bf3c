"""A gift shop's real transactions of a year, loaded into a warehouse one trading day at a time.

Daqing Chen, "Online Retail", UCI Machine Learning Repository (2015), doi 10.24432/C5BW33, licence CC BY 4.0. It has no
addresses or consents, so they follow from the customer by fixed rules: `c12347@example.com`, opted in at the first
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Engine

PLACE = Path("shared") / "data" / "online_retail" / "transactions.parquet"
HERE = Path(__file__).resolve()

# Warehouses that have decimals keep prices in them.
PRICE: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.Numeric(12, 3, asdecimal=False), "postgresql")

METADATA = sa.MetaData()
CUSTOMERS = sa.Table(
    "customers",
    METADATA,
    sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String, nullable=False),
    sa.Column("country", sa.String),
    sa.Column("first_order_at", sa.DateTime, nullable=False),
)
TRANSACTIONS = sa.Table(
    "transactions",
    METADATA,
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("invoice_no", sa.String, nullable=False),
    sa.Column("stock_code", sa.String, nullable=False),
    sa.Column("description", sa.String),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("invoiced_at", sa.DateTime, nullable=False, index=True),
    sa.Column("unit_price", PRICE, nullable=False),
    sa.Column("customer_id", sa.BigInteger),
    sa.Column("country", sa.String),
)


def find_transactions() -> Path | None:
    """The file in a folder `shared` beside the repository or further up; None if there is none."""
    return next((folder / PLACE for folder in HERE.parents if (folder / PLACE).is_file()), None)


def address(customer: int) -> str:
    return f"c{customer}@example.com"


@dataclass(frozen=True)
class Retail:
    """Every line, in the order of time, with the day's place among the trading days as `day`."""

    lines: pd.DataFrame
    days: tuple[datetime, ...]

    @classmethod
    def read(cls, path: Path) -> Retail:
        lines = pd.read_parquet(path)
        midnights = lines["invoiced_at"].dt.normalize()
        numbers, days = pd.factorize(midnights, sort=True)
        lines = lines.assign(
            day=numbers, customer_id=lines["customer_id"].astype("Int64"), line=range(1, len(lines) + 1)
        )
        return cls(lines, tuple(day.to_pydatetime() for day in pd.DatetimeIndex(days)))

    def end_of(self, day: int) -> datetime:
        """The midnight that ends a trading day; the shop's times are taken as UTC."""
        return self.days[day].replace(tzinfo=UTC) + timedelta(days=1)

    @property
    def customers(self) -> list[int]:
        """Everybody who ever ordered, within the year or by its end."""
        return sorted(int(customer) for customer in self.lines["customer_id"].dropna().unique())


def create_tables(engine: Engine) -> None:
    METADATA.create_all(engine)


def load_days(engine: Engine, retail: Retail, first: int, last: int) -> None:
    """Append the lines of the trading days `first` to `last` and the customers who are new on them."""
    lines = retail.lines[retail.lines["day"].between(first, last)]
    with engine.begin() as connection:
        known = set(connection.scalars(sa.select(CUSTOMERS.c.customer_id)))
        new = lines[lines["customer_id"].notna() & ~lines["customer_id"].isin(known)].drop_duplicates("customer_id")
        if len(new):
            connection.execute(CUSTOMERS.insert(), customer_rows(new))
        connection.execute(TRANSACTIONS.insert(), _rows(lines.drop(columns="day")))


def customer_rows(first_lines: pd.DataFrame) -> list[dict[str, Any]]:
    """One row for each customer, from the first line of each."""
    return [
        {
            "customer_id": row["customer_id"],
            "email": address(row["customer_id"]),
            "country": row["country"],
            "first_order_at": row["invoiced_at"],
        }
        for row in _rows(first_lines)
    ]


def _rows(lines: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of plain Python values; what is missing is None."""
    columns = {str(name): lines[name].astype(object).where(lines[name].notna(), None).tolist() for name in lines}
    columns["invoiced_at"] = [moment.to_pydatetime() for moment in lines["invoiced_at"]]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
