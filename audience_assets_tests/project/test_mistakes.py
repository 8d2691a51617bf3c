"""Every kind of mistake in a project's files: what is said, with file, line, field and the nearest valid name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from audience_assets.errors import ProjectError
from audience_assets.project.activations import EnvValue
from audience_assets.project.load import load_project
from audience_assets_tests.project.folder import mistakes, spoil, write

CASES = [
    pytest.param(case, id=f"{path.stem}-{number}-{case['write'].strip()[:40]}")
    for path in sorted((Path(__file__).parent / "mistakes").glob("*.yaml"))
    for number, case in enumerate(yaml.safe_load(path.read_text()), start=1)
]


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_said_once_with_its_line(shop: Path, case: dict[str, Any]) -> None:
    spoil(shop, case["in"], case["instead_of"], case["write"])
    assert mistakes(shop) == case["says"]


def test_all_mistakes_at_once_in_the_order_of_the_files(shop: Path) -> None:
    spoil(shop, "project.yaml", "age: {type: integer}", "age: {type: integr}")
    spoil(shop, "project.yaml", "kind: belongs_to, on: {sku: sku}", "kind: belongs_to, on: {sku: skuu}")
    spoil(shop, "project.yaml", "breakdowns: [country]", "breakdowns: [country]\nnotification: {}")
    spoil(shop, "destinations.yaml", "api_key: {env: KLAVIYO_API_KEY}", "api_key: pk_live_1234")
    spoil(shop, "segments/churn_risk.yaml", "segment: staff", "segment: staf")
    spoil(shop, "segments/churn_risk.yaml", "by: ltv", "by: ltw")
    spoil(shop, "activations/churn_risk.yaml", "segment: churn_risk", "segment: churn_ris")
    write(shop, "activations/broken.yaml", "segment: [")
    said = mistakes(shop)
    assert [line.split(": ")[0] for line in said] == [
        "project.yaml:15",
        "project.yaml:55",
        "project.yaml:68",
        "destinations.yaml:5",
        "segments/churn_risk.yaml:16",
        "segments/churn_risk.yaml:18",
        "activations/broken.yaml:1",
        "activations/churn_risk.yaml:1",
    ]


def test_mistakes_of_form_do_not_hide_the_others(shop: Path) -> None:
    write(
        shop,
        "activations/churn_risk.yaml",
        "segmnt: churn_risk\ndestination: klavyo\nguard: {min: 3}\nschedule: {at: 25:00}\n",
    )
    spoil(shop, "segments/churn_risk.yaml", "op: in, value", "opp: in, value")
    spoil(shop, "segments/churn_risk.yaml", "by: ltv", "by: ltw")
    said = [" ".join(line.split(" ")[:2]) for line in mistakes(shop)]
    assert said == [
        "segments/churn_risk.yaml:6: where.all[0].opp:",
        "segments/churn_risk.yaml:18: limit.by:",
        "activations/churn_risk.yaml:1: segmnt:",
        "activations/churn_risk.yaml:2: destination:",
        "activations/churn_risk.yaml:3: guard.min:",
        "activations/churn_risk.yaml:4: schedule.at:",
    ]


def test_a_mistake_is_said_where_it_stands_although_another_condition_could_not_be_read(shop: Path) -> None:
    spoil(shop, "segments/churn_risk.yaml", "op: in, value", "opp: in, value")
    spoil(shop, "segments/churn_risk.yaml", "segment: staff", "segment: staf")
    assert [line.split(": there")[0] for line in mistakes(shop)] == [
        "segments/churn_risk.yaml:6: where.all[0].opp: unknown key 'opp' (did you mean 'op'?)",
        "segments/churn_risk.yaml:16: where.all[4].not.segment",
    ]


def test_mistakes_in_a_calculated_field_are_said_together(shop: Path) -> None:
    written = '{aggregate: "sum:amount", over: orders, within: 12mo}'
    spoil(shop, "project.yaml", written, '{aggregate: "summ:amount", over: order, within: 12m}')
    said = {line.split(": ")[1] for line in mistakes(shop) if line.startswith("project.yaml:59:")}
    assert said == {f"calculated_fields.customers.revenue_12m.{key}" for key in ("aggregate", "over", "within")}


def test_mistakes_in_a_destinations_defaults_are_said_together(shop: Path) -> None:
    spoil(shop, "destinations.yaml", "channels: [email]", "chanels: [email]")
    spoil(shop, "destinations.yaml", "tags: {area: crm}", "schedule: {cadence: dayly, at: 26:00}")
    said = {line.split(": ")[1] for line in mistakes(shop)}
    names = ("options.chanels", "schedule.cadence", "schedule.at")
    assert said == {f"destinations.klaviyo.default_activation.{name}" for name in names}


def test_a_link_that_leads_nowhere_is_a_mistake(shop: Path) -> None:
    (shop / "segments/sock_fans.yaml").unlink()
    (shop / "segments/sock_fans.yaml").symlink_to("gone.yaml")
    assert mistakes(shop) == ["segments/sock_fans.yaml:1: the file can't be read: No such file or directory"]


def test_hidden_files_are_not_read(shop: Path) -> None:
    """As Kubernetes mounts a ConfigMap: each file is a link into a hidden folder, which itself is one."""
    (shop / "segments/..2026_01_31").mkdir()
    (shop / "segments/sock_fans.yaml").rename(shop / "segments/..2026_01_31/sock_fans.yaml")
    (shop / "segments/..data").symlink_to("..2026_01_31")
    (shop / "segments/sock_fans.yaml").symlink_to("..data/sock_fans.yaml")
    write(shop, "segments/.ipynb_checkpoints/sock_fans.yaml", "segment: [")
    assert "sock_fans" in load_project(shop).segments


def test_a_mistake_in_one_setting_does_not_hide_those_in_the_others(shop: Path) -> None:
    write(
        shop,
        "activations/second.yaml",
        "segment: churn_risk\ndestination: klaviyo\nlist_name: Second\n"
        "options: {channels: [email, fax]}\n"
        "schedule: {cadence: dayly, at: 25:00}\n"
        "guard: {max_removed_percent: 130}\n"
        "consent: {resubscribe: sometimes}\n"
        "mapping: {identifiers: {email: e_mail}}\n",
    )
    assert [" ".join(line.split(" ")[:2]) for line in mistakes(shop)] == [
        "activations/second.yaml:4: options.channels[1]:",
        "activations/second.yaml:5: schedule.cadence:",
        "activations/second.yaml:5: schedule.at:",
        "activations/second.yaml:6: guard.max_removed_percent:",
        "activations/second.yaml:7: consent.resubscribe:",
        "activations/second.yaml:8: mapping.identifiers.email:",
    ]


def test_a_secret_in_a_file_is_not_repeated_in_the_message(shop: Path) -> None:
    spoil(shop, "destinations.yaml", "api_key: {env: KLAVIYO_API_KEY}", "api_key: [pk_live_1234]")
    assert not any("pk_live_1234" in line for line in mistakes(shop))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://shop:hunter2@db.example/shop",
        "postgresql://db.example/shop?user=shop&password=hunter2",
        "duckdb:///md:shop?motherduck_token=hunter2",
        "'postgresql://shop:${PASSWORD}@db.example/shop'",
    ],
)
def test_a_password_in_the_warehouses_address_is_refused(shop: Path, url: str) -> None:
    spoil(shop, "project.yaml", "url: {env: SHOP_WAREHOUSE}", f"url: {url}")
    assert mistakes(shop) == [
        "project.yaml:4: warehouse.url: a password does not belong in a file "
        "(write url: {env: WAREHOUSE_URL} and set that variable to the whole address)"
    ]


@pytest.mark.parametrize("url", ["sqlite:///shop.sqlite", "postgresql://shop@db.example/shop?sslmode=require"])
def test_an_address_without_a_password_may_stand_in_the_file(shop: Path, url: str) -> None:
    spoil(shop, "project.yaml", "url: {env: SHOP_WAREHOUSE}", f"url: {url}")
    assert load_project(shop).settings.warehouse.url == url


@pytest.mark.parametrize("url", ["https://me:hunter2@hooks.example/x", "https://hooks.slack.com/services/T0/B0/x7Q"])
def test_the_address_of_a_webhook_is_a_secret(shop: Path, url: str) -> None:
    spoil(shop, "project.yaml", "insights:", f"notifications: {{webhook_url: '{url}'}}\ninsights:")
    assert mistakes(shop) == [
        "project.yaml:62: notifications.webhook_url: whoever knows a webhook's address can post there: it does not "
        "belong in a file (write webhook_url: {env: WEBHOOK_URL} and set that variable to the whole address)"
    ]


def test_a_webhook_from_the_environment_is_accepted(shop: Path) -> None:
    spoil(shop, "project.yaml", "insights:", "notifications: {webhook_url: {env: SHOP_WEBHOOK}}\ninsights:")
    assert load_project(shop).settings.notifications.webhook_url == EnvValue(env="SHOP_WEBHOOK")


def test_a_field_in_a_part_that_could_not_be_read_is_not_called_unknown(shop: Path) -> None:
    spoil(shop, "project.yaml", "email: {type: text, pii: true, ignore_case: true}", "email: {type: txt}")
    assert mistakes(shop) == [
        "project.yaml:11: models.customers.fields.email.type: 'txt' is not one of text, integer, number, boolean, "
        "date, timestamp, uuid, list (did you mean 'text'?)"
    ]


def test_a_folder_without_a_project_says_how_to_begin(tmp_path: Path) -> None:
    [said] = mistakes(tmp_path)
    assert said.startswith("project.yaml:1: there is no project.yaml in ")
    assert "audience-assets init" in said
    [said] = mistakes(tmp_path / "nowhere")
    assert "there is no folder" in said


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "---\n---\n"])
def test_an_empty_segment_file_is_not_everybody(shop: Path, text: str) -> None:
    write(shop, "segments/empty.yaml", text)
    assert mistakes(shop) == ["segments/empty.yaml:1: the file is empty: it declares no segment"]


def test_an_empty_where_is_not_everybody(shop: Path) -> None:
    write(shop, "segments/later.yaml", "label: Later\nwhere:\n")
    assert mistakes(shop) == ["segments/later.yaml:2: where: is empty (leave `where` out if the segment is everybody)"]


@pytest.mark.parametrize("text", ["just words", "- a\n- list\n", "42"])
@pytest.mark.parametrize("file", ["project.yaml", "destinations.yaml", "segments/odd.yaml", "activations/odd.yaml"])
def test_a_file_that_is_no_map_is_refused(shop: Path, file: str, text: str) -> None:
    write(shop, file, text)
    assert mistakes(shop)[0].startswith(f"{file}:1: expected a map")


@pytest.mark.parametrize(
    "project",
    [
        "project: [x]\nwarehouse: 3\nmodels: none\nrelationships: {}\ncalculated_fields: []\ninsights: x\n",
        "models: {a: {fields: {b: 1}}}\nrelationships: [1, {from: a}]\n",
        "calculated_fields: {a: {b: {formula: [1]}}, c: 4}\nwarehouse: {url: {environment: X}}\n",
        "{}",
    ],
)
def test_whatever_project_yaml_holds_it_is_refused_in_an_instant(shop: Path, project: str) -> None:
    write(shop, "project.yaml", project)
    assert all(
        line.startswith(("project.yaml:", "segments/", "activations/", "destinations.yaml:")) for line in mistakes(shop)
    )


def test_files_that_would_be_overlooked_are_named(shop: Path) -> None:
    write(shop, "segments/forgotten.yml", "where: {list: staff}\n")
    assert mistakes(shop) == ["segments/forgotten.yml:1: is not read: only *.yaml files are (rename it forgotten.yaml)"]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("project.yml", "is not read (did you mean 'project.yaml'?)"),
        ("destination.yaml", "is not read (did you mean 'destinations.yaml'?)"),
        ("destinations/klaviyo.yaml", "is not read (did you mean 'destinations.yaml'?)"),
        ("activation.yaml", "is not read: activations stand in the folder activations/ (move it there)"),
        ("segments.yml", "is not read: segments stand in the folder segments/ (move it there)"),
        ("segment/vips.yaml", "is not read: segments stand in the folder segments/ (move it there)"),
        ("Campains/2026/spring.yml", "is not read: campaigns stand in the folder campaigns/ (move it there)"),
    ],
)
def test_what_stands_nearly_where_it_should_is_not_ignored(shop: Path, file: str, says: str) -> None:
    write(shop, file, "label: any\n")
    assert mistakes(shop) == [f"{file}:1: {says}"]


def test_a_project_named_yml_is_found(tmp_path: Path) -> None:
    write(tmp_path, "project.yml", "project: shop\n")
    assert mistakes(tmp_path)[1] == "project.yml:1: is not read (did you mean 'project.yaml'?)"


def test_other_tools_files_beside_the_project_are_nobodys_business(shop: Path) -> None:
    others = ("workspace.yaml", "dagster.yaml", "docker-compose.yml", "dbt_project.yml", "profiles.yml", "packages.yml")
    ours = (
        "destinations-eu.yaml",
        ".segments.yaml",
        "segment/notes.md",
        "models/orders.yml",
        "projects/b/project.yaml",
    )
    for file in (*others, *ours):
        write(shop, file, "[")
    assert "sock_fans" in load_project(shop).segments


def test_two_segments_of_one_name_are_refused(shop: Path) -> None:
    write(shop, "segments/staff.yaml", "where: {list: staff}\n")
    assert mistakes(shop) == [
        "segments/staff.yaml:1: segment: there is a segment 'staff' already (the first is segments/people.yaml:1)"
    ]


def test_segments_made_from_each_other_name_the_circle(shop: Path) -> None:
    for name, target in (("a", "b"), ("b", "c"), ("c", "a")):
        write(shop, f"segments/{name}.yaml", f"where:\n  not: {{segment: {target}}}\n")
    assert mistakes(shop) == ["segments/a.yaml:1: where: the segment is made from itself: a -> b -> c -> a"]


def test_chains_of_segments_are_ten_deep_at_most(shop: Path) -> None:
    write(shop, "segments/s0.yaml", "where: {list: staff}\n")
    for number in range(1, 11):
        write(shop, f"segments/s{number}.yaml", f"where: {{segment: s{number - 1}}}\n")
    assert "s10" in load_project(shop).segments
    write(shop, "segments/s11.yaml", "where: {segment: s10}\n")
    assert mistakes(shop) == ["segments/s11.yaml:1: where: segments refer to each other more than 10 deep"]


def test_calculated_fields_made_from_each_other_name_the_circle(shop: Path) -> None:
    circle = "    twice: {formula: once * 2}\n    once: {formula: twice / 2}\n    orders_12m:"
    spoil(shop, "project.yaml", "    orders_12m:", circle)
    assert mistakes(shop) == [
        "project.yaml:59: calculated_fields.customers.once: is calculated from itself: "
        "customers.once -> customers.twice -> customers.once"
    ]


def test_conditions_are_eight_deep_at_most(shop: Path) -> None:
    leaf = "{field: vip, op: is_true}"
    write(shop, "segments/deep.yaml", "where: " + "{not: " * 7 + leaf + "}" * 7)
    assert "deep" in load_project(shop).segments
    write(shop, "segments/deep.yaml", "where: " + "{not: " * 8 + leaf + "}" * 8)
    [said] = mistakes(shop)
    assert said.endswith("conditions are nested more than 8 deep (move a part into a segment of its own)")


def test_a_segment_has_200_conditions_at_most(shop: Path) -> None:
    leaves = "    - {field: vip, op: is_true}\n"
    write(shop, "segments/wide.yaml", "where:\n  any:\n" + leaves * 200)
    assert "wide" in load_project(shop).segments
    write(shop, "segments/wide.yaml", "where:\n  any:\n" + leaves * 201)
    assert mistakes(shop) == [
        "segments/wide.yaml:1: where: 201 conditions are more than 200 (split the segment, or upload a list)"
    ]


def test_a_list_of_values_has_1000_at_most(shop: Path) -> None:
    values = ", ".join(str(number) for number in range(1001))
    write(shop, "segments/many.yaml", f"where: {{field: city, op: in, value: [{values}]}}\n")
    assert mistakes(shop) == [
        "segments/many.yaml:1: where.value: 1001 values are more than 1000 (upload them and use `list:`)"
    ]


def test_with_several_users_models_a_segment_says_which(shop: Path) -> None:
    second = "models:\n  leads: {type: users, table: leads, key: lead_id, fields: {score: {type: integer}}}"
    spoil(shop, "project.yaml", "models:", second)
    said = mistakes(shop)
    assert (
        "segments/sock_fans.yaml:1: there are several users models: say which in `model` (there is leads, customers)"
        in said
    )
    assert not any(line.startswith("activations/") for line in said)


def test_a_segment_of_another_users_model_is_no_condition(shop: Path) -> None:
    spoil(shop, "project.yaml", "models:", "models:\n  leads: {type: users, table: leads, key: lead_id}")
    (shop / "segments" / "sock_fans.yaml").unlink()
    for path in sorted(shop.glob("segments/*.yaml")):
        path.write_text(path.read_text().replace("\nwhere:", "\nmodel: customers\nwhere:"))
    write(shop, "segments/cold.yaml", "model: leads\nwhere: {segment: staff}\n")
    assert mistakes(shop) == [
        "segments/cold.yaml:2: where.segment: 'staff' is a segment of 'customers'; this condition is about 'leads'"
    ]


def test_problems_can_be_read_one_by_one(shop: Path) -> None:
    spoil(shop, "segments/churn_risk.yaml", "op: in,", "op: inn,")
    with pytest.raises(ProjectError) as caught:
        load_project(shop)
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.field) == ("segments/churn_risk.yaml", 6, "where.all[0].op")
    assert (problem.message, problem.hint) == ("there is no operator 'inn'", "did you mean 'in'?")


@pytest.mark.parametrize("text", ["{}", "destinations: {}"])
def test_without_destinations_activations_have_nowhere_to_go(shop: Path, text: str) -> None:
    write(shop, "destinations.yaml", text)
    assert mistakes(shop) == [
        "activations/big_spenders.yaml:2: destination: there is no destination 'klaviyo'",
        "activations/churn_risk.yaml:2: destination: there is no destination 'klaviyo'",
    ]
