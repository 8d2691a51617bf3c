"""What Dagster is told of a project: keys, lineage, pools, partitions, and nothing that is secret."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import dagster as dg
import pytest

import audience_assets
from audience_assets.assets.project_folder import EMBEDDED_PROJECT
from audience_assets.errors import AudienceError, ProjectError
from audience_assets_tests.assets.shop import FILES, KEY, write_project

REPOSITORY = Path(audience_assets.__file__).resolve().parent.parent


@pytest.fixture
def definitions(folder: Path) -> dg.Definitions:
    return audience_assets.build_definitions(folder)


def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_keys_and_lineage(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    lineage = {key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in specs(definitions).items()}
    assert lineage == {
        "warehouse/customers": set(),
        "segment/everybody": {"warehouse/customers"},
        "segment/best": {"warehouse/customers", "segment/everybody"},
        "klaviyo/news": {"segment/everybody", "warehouse/customers"},
        "klaviyo/best": {"segment/best", "warehouse/customers"},
    }


def test_a_mapped_calculated_field_is_part_of_the_lineage_and_of_the_settings(folder: Path) -> None:
    orders = (
        "  orders: {type: events, table: orders, key: id, timestamp: at, fields: {customer: {type: integer}}}\n"
        "relationships: [{from: customers, to: orders, kind: has_many, on: {id: customer}}]\n"
        "calculated_fields: {customers: {bought: {aggregate: count, over: orders}}}\n"
    )
    mapped = FILES["destinations.yaml"].replace("{email: email}}", "{email: email}, fields: {Bought: bought}}", 1)
    text = FILES["project.yaml"] + orders
    write_project(folder, {"project.yaml": text, "destinations.yaml": mapped})
    before = specs(audience_assets.build_definitions(folder))
    inputs = {dep.asset_key.to_user_string() for dep in before["klaviyo/news"].deps}
    assert inputs == {"segment/everybody", "warehouse/customers", "warehouse/orders"}
    assert {dep.asset_key.to_user_string() for dep in before["segment/everybody"].deps} == {"warehouse/customers"}

    write_project(folder, {"project.yaml": text.replace("over: orders", "over: orders, within: 30d")})
    after = specs(audience_assets.build_definitions(folder))
    assert after["klaviyo/news"].code_version != before["klaviyo/news"].code_version


def test_lists_share_the_sync_day_and_a_pool(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    lists = [graph.get(dg.AssetKey(["klaviyo", name])) for name in ("news", "best")]
    assert {node.partitions_def for node in lists} == {
        dg.DailyPartitionsDefinition("2026-01-01", end_offset=1, timezone="Europe/Paris")
    }
    assert [node.pools for node in lists] == [{"klaviyo"}, {"klaviyo"}]
    assert graph.get(dg.AssetKey(["segment", "best"])).partitions_def is None


def test_the_calendar_begins_where_the_project_says(folder: Path) -> None:
    text = FILES["project.yaml"].replace("timezone:", "first_sync_day: 2025-11-15\ntimezone:")
    found = audience_assets.build_definitions(write_project(folder, {"project.yaml": text}))
    days = specs(found)["klaviyo/news"].partitions_def
    assert days is not None
    assert days.get_first_partition_key() == "2025-11-15"


def test_what_a_page_shows(definitions: dg.Definitions) -> None:
    found = specs(definitions)
    segment, delivered, source = found["segment/best"], found["klaviyo/best"], found["warehouse/customers"]
    assert segment.owners == ["ann@shop.example"] and "loyalty" in segment.tags
    assert "```sql\nWITH" in (segment.description or "") and "Best customers" in (segment.description or "")
    assert delivered.owners == ["team:crm"] and delivered.kinds == {"klaviyo", "list"}
    assert "\n- " in (segment.description or "").partition("```")[0]
    assert "| schedule.cadence | hourly | activations/best.yaml:1 |" in (delivered.description or "")
    columns = {column.name: column for column in source.metadata["dagster/column_schema"].columns}
    assert set(columns) == {"id", "revision", "email", "score", "consent_at"}
    assert "pii" in columns["email"].tags
    assert source.metadata["dagster/table_name"] == "customers"


def test_freshness_is_a_policy_of_each_list(definitions: dg.Definitions) -> None:
    policy = specs(definitions)["klaviyo/news"].freshness_policy
    assert policy is not None
    assert policy.fail_window.to_timedelta().total_seconds() == 26 * 3600  # type: ignore[attr-defined]


def test_a_model_of_somebody_elses_asset_is_not_declared_again(folder: Path) -> None:
    text = (
        (folder / "project.yaml")
        .read_text()
        .replace("    table: customers\n", "    table: customers\n    asset_key: [dbt, customers]\n")
    )
    write_project(folder, {"project.yaml": text})

    @dg.asset(key=["dbt", "customers"])
    def made_by_dbt() -> None: ...

    merged = dg.Definitions.merge(audience_assets.build_definitions(folder), dg.Definitions([made_by_dbt]))
    found = specs(merged)
    assert "warehouse/customers" not in found
    assert {dep.asset_key.to_user_string() for dep in found["segment/everybody"].deps} == {"dbt/customers"}


def test_no_beta_or_preview(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.Definitions.validate_loadable(audience_assets.build_definitions(folder))
        dg.Definitions.validate_loadable(audience_assets.build_definitions(EMBEDDED_PROJECT))


def test_mistakes_are_told_with_file_and_line(folder: Path) -> None:
    write_project(folder, {"activations/news.yaml": "{segment: everybodi, destination: klaviyo}\n"})
    with pytest.raises(ProjectError, match=r"activations/news.yaml:1.*everybodi.*did you mean 'everybody'"):
        audience_assets.build_definitions(folder)


def test_a_folder_without_a_project_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from audience_assets.definitions import defs

    monkeypatch.setenv("AUDIENCE_PROJECT", str(tmp_path))
    with pytest.raises(AudienceError, match=r"AUDIENCE_PROJECT is .* no project\.yaml"):
        defs()


def test_a_code_location_reads_its_project_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster asks twice while it loads one."""
    from audience_assets.definitions import defs

    monkeypatch.setenv("AUDIENCE_PROJECT", str(folder))
    first = defs()
    assert "klaviyo/news" in specs(first)
    assert defs() is first
    monkeypatch.delenv("AUDIENCE_PROJECT")
    assert "klaviyo/news" not in specs(defs())


def test_no_secret_in_what_dagster_keeps(definitions: dg.Definitions) -> None:
    job = definitions.resolve_implicit_global_asset_job_def()
    snapshot = dg.serialize_value(job.get_job_snapshot())
    schema = repr(
        [
            resource.config_schema.default_value
            for resource in job.resource_defs.values()
            if resource.config_schema.default_provided
        ]
    )
    for shown in (snapshot, schema, repr(definitions.resources), repr(list((definitions.resources or {}).values()))):
        assert KEY not in shown
    assert "KLAVIYO_API_KEY" in schema and "SHOP_WAREHOUSE_URL" in schema


IMPORT = """
import socket, sys
def refuse(*arguments, **named): raise AssertionError("a connection at import")
socket.socket.connect = refuse
socket.create_connection = refuse
from audience_assets.definitions import defs
import dagster as dg
dg.Definitions.validate_loadable(defs())
print(sorted(spec.key.to_user_string() for spec in defs().resolve_all_asset_specs() if spec.key.path[0] == "klaviyo"))
"""


def test_loading_opens_no_connection_and_needs_no_secret(folder: Path, tmp_path: Path) -> None:
    secrets = ("KLAVIYO_API_KEY", "KLAVIYO_BASE_URL", "SHOP_WAREHOUSE_URL")
    environment = {key: value for key, value in os.environ.items() if key not in secrets}
    answer = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error::DeprecationWarning:audience_assets", "-c", IMPORT],
        env={**environment, "AUDIENCE_PROJECT": str(folder), "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == "['klaviyo/best', 'klaviyo/news']"
    assert not (tmp_path / "warehouse.sqlite").exists()


def test_the_repository_is_a_valid_code_location(tmp_path: Path) -> None:
    """Out of the box, without a project of one's own: the demo's."""
    environment = {key: value for key, value in os.environ.items() if key != "AUDIENCE_PROJECT"}
    answer = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        env={**environment, "DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    said = answer.stdout + answer.stderr
    assert "All code locations passed validation" in said
    for kind in ("BetaWarning", "PreviewWarning", "Traceback", "DeprecationWarning"):
        assert kind not in said


GRAPHQL = "from dagster_graphql.cli import main; main()"


def test_no_secret_over_graphql(folder: Path, tmp_path: Path) -> None:
    """What the UI shows of resources, asked for as the UI does."""
    query = """{ allTopLevelResourceDetailsOrError(
        repositorySelector: {repositoryName: "__repository__", repositoryLocationName: "audience_assets.definitions"}
    ) { ... on ResourceDetailsList { results { name configuredValues { key value type } } } } }"""
    home = tmp_path / "home"
    home.mkdir()
    answer = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", GRAPHQL, "-m", "audience_assets.definitions", "-t", query],
        env={
            **os.environ,
            "AUDIENCE_PROJECT": str(folder),
            "DAGSTER_HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            "DAGSTER_DISABLE_TELEMETRY": "1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "KLAVIYO_API_KEY" in answer.stdout and "audience_klaviyo" in answer.stdout
    assert KEY not in answer.stdout
    assert "sqlite:///" not in answer.stdout
