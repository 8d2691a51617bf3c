"""A source's version changes when the source does."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from audience_assets.audiences.catalogue import Catalogue
from audience_assets.audiences.watermark import source_version
from audience_assets.errors import WarehouseError
from audience_assets_tests.audiences.shop import AS_OF, load, shop_project, shop_rows


def test_a_version_follows_watermark_and_count(warehouse: Engine) -> None:
    project = shop_project()
    load(warehouse, shop_rows())
    customers = Catalogue(project.settings).table("customers")
    versions = [source_version(warehouse, project, "customers")]
    assert source_version(warehouse, project, "customers") == versions[0]
    with warehouse.begin() as connection:
        newer = AS_OF + timedelta(days=500)
        connection.execute(sa.update(customers).where(customers.c.customer_id == 5).values({"updated_at": newer}))
    versions.append(source_version(warehouse, project, "customers"))
    with warehouse.begin() as connection:
        connection.execute(sa.delete(customers).where(customers.c.customer_id == 6))
    versions.append(source_version(warehouse, project, "customers"))
    assert len(set(versions)) == 3


def test_a_model_without_a_time_has_its_count(warehouse: Engine) -> None:
    load(warehouse, shop_rows())
    assert source_version(warehouse, shop_project(), "products") == "6"


def test_a_missing_table_is_named(warehouse: Engine) -> None:
    with pytest.raises(WarehouseError, match="model orders: the warehouse has no readable table 'orders'"):
        source_version(warehouse, shop_project(), "orders")
