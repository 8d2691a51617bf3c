"""The demo shop's warehouse. Times are UTC without a zone, as many a loader writes them."""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData()

CUSTOMERS = sa.Table(
    "customers",
    METADATA,
    sa.Column("customer_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("email", sa.String),
    sa.Column("phone", sa.String),
    sa.Column("first_name", sa.String),
    sa.Column("country", sa.String),
    sa.Column("city", sa.String),
    sa.Column("birthdate", sa.Date),
    sa.Column("club_since", sa.String),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("email_consent_at", sa.DateTime),
    sa.Column("sms_consent_at", sa.DateTime),
)

ORDERS = sa.Table(
    "orders",
    METADATA,
    sa.Column("order_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("customer_id", sa.Integer, nullable=False, index=True),
    sa.Column("ordered_at", sa.DateTime, nullable=False),
    sa.Column("amount", sa.Double, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
)

PRODUCTS = sa.Table(
    "products",
    METADATA,
    sa.Column("sku", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("category", sa.String, nullable=False),
)

ORDER_ITEMS = sa.Table(
    "order_items",
    METADATA,
    sa.Column("item_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("order_id", sa.Integer, nullable=False, index=True),
    sa.Column("sku", sa.String, nullable=False),
    sa.Column("quantity", sa.Integer, nullable=False),
)

CONSENTS = sa.Table(
    "consents",
    METADATA,
    sa.Column("consent_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("customer_id", sa.Integer, nullable=False, index=True),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("status", sa.String, nullable=False),
    sa.Column("consent_at", sa.DateTime),
    sa.Column("source", sa.String),
)

# What a team's own identity job would write: one tidy row a customer, the source of attributes.
MERGED_CUSTOMERS = sa.text(
    """
    CREATE VIEW merged_customers AS
    SELECT customer_id, lower(trim(email)) AS email, phone, first_name, country, city, updated_at,
        (SELECT max(ordered_at) FROM orders WHERE orders.customer_id = customers.customer_id) AS last_order_at
    FROM customers
    """
)
NO_MERGED_CUSTOMERS = sa.text("DROP VIEW IF EXISTS merged_customers")
