"""Commands that look at segments in the warehouse."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from audience_assets.warehouse.engine import open_warehouse
from audience_assets_tests.cli.conftest import Run, addresses, answer, replace


def rows(project: Path, query: str) -> int:
    engine = open_warehouse("sqlite:///warehouse.sqlite", root=project)
    with engine.connect() as connection:
        found = connection.scalar(sa.text(query))
    engine.dispose()
    return int(found or 0)


def test_segments_show_their_condition_and_their_size_once_computed(run: Run) -> None:
    before = {each["segment"]: each for each in answer(run("segments", "--json"))}
    assert before["newsletter"]["size"] is None
    assert before["newsletter"]["condition"]
    size = answer(run("insights", "newsletter", "--json"))["size"]
    after = {each["segment"]: each for each in answer(run("segments", "--json"))}
    assert after["newsletter"]["size"] == size > 0
    assert after["vips"]["size"] is None
    assert f"{size:,}" in run("segments").stdout


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "duckdb", "snowflake", "bigquery", "redshift"])
def test_sql_is_shown_in_any_dialect(run: Run, dialect: str) -> None:
    result = run("sql", "vips", "--dialect", dialect)
    assert result.exit_code == 0, result.stderr
    assert "SELECT" in result.stdout
    assert "orders" in result.stdout


def test_sql_is_the_warehouses_own_unless_said_otherwise(run: Run) -> None:
    shown = answer(run("sql", "newsletter", "--json"))
    assert shown["dialect"] == "sqlite"
    assert run("sql", "newsletter", "--dialect", "oracle").exit_code == 2


def test_a_preview_redacts_personal_data(run: Run) -> None:
    result = run("preview", "newsletter", "--limit", "7", "--json")
    members = answer(result)["rows"]
    assert len(members) == 7
    assert {member["email"] for member in members} == {"[redacted]"}
    assert not addresses(result.output)
    assert not addresses(run("preview", "newsletter").output)


def test_a_preview_of_nobody_says_so(run: Run, project: Path) -> None:
    replace(project / "segments/vips.yaml", "value: 300", "value: 999999")
    result = run("preview", "vips")
    assert result.exit_code == 0
    assert "nobody" in result.stdout


def test_insights_add_up(run: Run, project: Path) -> None:
    found = answer(run("insights", "newsletter", "--json"))
    assert found["users"] == rows(project, "SELECT count(*) FROM customers")
    assert found["share"] == pytest.approx(found["size"] / found["users"], abs=1e-6)
    reach = found["reach"]["email"]
    assert reach["consented"] <= reach["valid"] <= reach["identified"] <= found["size"]
    assert found["waterfall"][-1]["remaining"] == found["size"]
    assert sum(share["members"] for share in found["breakdowns"]["country"]) == found["size"]


def test_insights_are_readable(run: Run) -> None:
    shown = run("insights", "newsletter").stdout
    for words in ("reach", "waterfall", "country", "value:"):
        assert words in shown


def test_insights_without_refresh_need_an_earlier_one(run: Run) -> None:
    result = run("insights", "newsletter", "--no-refresh")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    run("insights", "newsletter")
    assert run("insights", "newsletter", "--no-refresh").exit_code == 0


@pytest.mark.parametrize("name", ["sql", "preview", "insights"])
def test_an_unknown_segment_is_a_usage_error(run: Run, name: str) -> None:
    result = run(name, "newsleter")
    assert result.exit_code == 2
    assert "did you mean 'newsletter'?" in result.stderr


def test_a_missing_table_is_one_message(run: Run, project: Path) -> None:
    replace(project / "project.yaml", "table: orders", "table: order")
    result = run("preview", "vips")
    assert result.exit_code == 1
    assert "order" in result.stderr
    assert "Traceback" not in result.output


def test_a_segment_is_computed_after_those_whose_membership_it_asks_for(run: Run, project: Path) -> None:
    (project / "segments/lately.yaml").write_text("where: {segment: vips, joined_within: 7d}\n")
    stopped = run("preview", "lately")
    assert stopped.exit_code == 1
    assert "segment vips was never computed" in stopped.stderr and "audience-assets insights vips" in stopped.stderr
    assert answer(run("insights", "lately", "--json"))["size"] > 0
    assert run("preview", "lately").exit_code == 0


def test_overlap_counts_members_in_common(run: Run, project: Path) -> None:
    found = answer(run("overlap", "vips", "newsletter", "--json"))
    [pair] = found["pairs"]
    assert pair["both"] == found["in_all"] <= min(found["sizes"].values())
    assert found["in_any"] == sum(found["sizes"].values()) - pair["both"]
    shown = run("overlap", "vips", "newsletter", "--no-refresh").stdout
    assert f"{found['in_any']:,} users are in at least one of them, {found['in_all']:,} in both" in shown
    assert run("overlap", "vips").exit_code == 2
    assert "did you mean 'vips'?" in run("overlap", "vip", "newsletter").stderr
    replace(
        project / "project.yaml", "insights:\n", "insights:\n  overlap: [vips, newsletter]\n  privacy_floor: 100000\n"
    )
    assert "< 100000" in run("overlap").stdout


def test_insights_tell_the_trend_and_point_out_counts_below_the_privacy_floor(run: Run, project: Path) -> None:
    replace(project / "project.yaml", "insights:\n", "insights:\n  privacy_floor: 1000\n")
    run("insights", "vips")
    shown = run("insights", "vips")
    for words in ("trend", "turnover", "reach by list", "revenue within 12mo", "an order"):
        assert words in shown.stdout
    assert "Fewer than 1000 people (insights.privacy_floor), who may be recognised: size (" in shown.stderr
    found = answer(run("insights", "vips", "--json"))
    assert found["below_privacy_floor"]["size"] == found["size"]
    assert [share["label"] for share in found["breakdowns"]["country"]] == ["(other)"]
    tree = found["revenue"]
    assert tree["revenue"] == pytest.approx(tree["customers"] * tree["revenue_per_customer"])
    assert len(found["trend"]) == 3
