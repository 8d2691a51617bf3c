"""Columns of the tables that keep campaigns: runs, splits, who was given which group, who is a recipient now."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from audience_assets.warehouse.column_types import UtcDateTime


def campaign_run(*, index: bool) -> list[sa.Column[Any]]:
    """One computation of a campaign.

    `included` is everybody in an included segment; of those `excluded`, `outranked` and `held_out` are left out in this
    order. `size` counts recipients, control too; `withheld` are control elsewhere in a campaign with all matches.
    `counts` is JSON: sub-audience -> group -> recipients.
    """
    return [
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("campaign", sa.String, nullable=False, index=index),
        sa.Column("as_of", UtcDateTime, nullable=False),
        sa.Column("definition_hash", sa.String, nullable=False),
        sa.Column("included", sa.BigInteger, nullable=False),
        sa.Column("excluded", sa.BigInteger, nullable=False),
        sa.Column("held_out", sa.BigInteger, nullable=False),
        sa.Column("outranked", sa.BigInteger, nullable=False),
        sa.Column("withheld", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("entered", sa.BigInteger, nullable=False),
        sa.Column("left", sa.BigInteger, nullable=False),
        sa.Column("counts", sa.String, nullable=False),
        sa.Column("duration_seconds", sa.Double, nullable=False),
        sa.Column("version", sa.String, nullable=False),
    ]


def campaign_split(*, index: bool) -> list[sa.Column[Any]]:
    """How a campaign is split; append-only. A version has one row for each of the campaign's sub-audiences.

    `ranges` is JSON: [[group, from, to], ...], buckets from 0 to 10,000; their widths are the shares, also where the
    method is exact. `control` is the name of the control group. `holdout` keeps `held_buckets` of 10,000 from the
    campaign; NULL where none is in force.
    """
    return [
        sa.Column("campaign", sa.String, nullable=False, index=index),
        sa.Column("sub_audience", sa.String, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("sticky", sa.String, nullable=False),
        sa.Column("assignment", sa.String, nullable=False),
        sa.Column("control", sa.String),
        sa.Column("ranges", sa.String, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("holdout", sa.String),
        sa.Column("held_buckets", sa.BigInteger),
    ]


def assignment(key: sa.types.TypeEngine[Any], *, keyed: bool) -> list[sa.Column[Any]]:
    """Who was given which group, once and for all.

    A row is never changed but for `last_seen_at`: when the person has left, the last run that found them. Somebody who
    is given another group gets another row with a higher `split_version`; the lowest one of a person is their first.
    """
    return [
        sa.Column("user_key", key, primary_key=keyed, autoincrement=False, nullable=False),
        sa.Column("sub_audience", sa.String, primary_key=keyed, nullable=False),
        sa.Column("split_version", sa.BigInteger, primary_key=keyed, autoincrement=False, nullable=False),
        sa.Column("group_name", sa.String, nullable=False),
        sa.Column("is_control", sa.Boolean, nullable=False),
        sa.Column("bucket", sa.Integer, nullable=False),
        sa.Column("stratum", sa.String),
        sa.Column("assigned_at", UtcDateTime, nullable=False),
        sa.Column("last_seen_at", UtcDateTime),
    ]


def recipient(key: sa.types.TypeEngine[Any], *, keyed: bool) -> list[sa.Column[Any]]:
    """Present recipients of a campaign and those of its control, who are sent nothing; `since` when they came."""
    return [
        sa.Column("user_key", key, primary_key=keyed, autoincrement=False, nullable=False),
        sa.Column("sub_audience", sa.String, primary_key=keyed, nullable=False),
        sa.Column("group_name", sa.String, nullable=False),
        sa.Column("is_control", sa.Boolean, nullable=False),
        sa.Column("bucket", sa.Integer, nullable=False),
        sa.Column("split_version", sa.BigInteger, nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    ]


def held_out(key: sa.types.TypeEngine[Any], *, keyed: bool) -> list[sa.Column[Any]]:
    """Whom a universal holdout kept from a campaign that they would have been recipients of, once and for all.

    A row is never changed but for `left_at`: since when the person is not held out any more, NULL while they are. A new
    draw of the campaign, or another holdout, gives them another row.
    """
    return [
        sa.Column("user_key", key, primary_key=keyed, autoincrement=False, nullable=False),
        sa.Column("split_version", sa.BigInteger, primary_key=keyed, autoincrement=False, nullable=False),
        sa.Column("holdout", sa.String, nullable=False),
        sa.Column("held_out_at", UtcDateTime, nullable=False),
        sa.Column("left_at", UtcDateTime),
    ]
