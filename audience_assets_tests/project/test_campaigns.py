"""Campaigns as they are declared: every mistake with its place, the lists they make, and what is warned of."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

import audience_assets
from audience_assets.destinations.registry import DESTINATIONS
from audience_assets.project.audiences import audience_name
from audience_assets.project.campaign_cautions import campaign_remarks
from audience_assets.project.campaign_files import recipients_file, results_file
from audience_assets.project.load import load_project
from audience_assets.project.names import slug
from audience_assets.project.treatments import treatment_name
from audience_assets.warehouse.state import State, audience_table
from audience_assets_tests.project.folder import mistakes, spoil, write

STATE = State(sa.create_engine("postgresql+psycopg://"))
HERE = Path(__file__).parent / "campaigns"
FILE = "campaigns/win_back.yaml"
CASES = [
    pytest.param(case, id=f"{number}-{case['write'].strip()[:40]}")
    for number, case in enumerate(yaml.safe_load((HERE / "mistakes.yaml").read_text()), start=1)
]


@pytest.fixture
def shop(shop: Path) -> Path:
    """The example project with a campaign."""
    (shop / "campaigns").mkdir()
    shutil.copy(HERE / "win_back.yaml", shop / FILE)
    return shop


def remarks(shop: Path) -> list[str]:
    return [each.message for each in campaign_remarks(load_project(shop), DESTINATIONS) if each.check != "consent"]


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_said_once_with_its_line(shop: Path, case: dict[str, Any]) -> None:
    spoil(shop, FILE, case["instead_of"], case["write"])
    assert mistakes(shop) == [f"{FILE}:{said}" for said in case["says"]]


def test_all_mistakes_at_once_also_beside_those_of_form(shop: Path) -> None:
    spoil(shop, FILE, "include: [churn_risk]", "include: [churn_rsk]")
    spoil(shop, FILE, "name: Socks, percent: 45", "name: _Socks, percent: 44.99")
    spoil(shop, FILE, "percent: 33.33, control: true", "percent: a third, control: true")
    spoil(shop, FILE, "{name: Shirts, percent: 100, destinations: [klaviyo]}", "{name: Shirts, percent: 100}")
    spoil(shop, FILE, 'at: "09:30"', 'at: "9:30"')
    spoil(shop, "segments/people.yaml", "list: staff", "list: stuff")
    assert [line.split(": ")[0] for line in mistakes(shop)] == [
        "segments/people.yaml:2",
        f"{FILE}:4",
        f"{FILE}:9",
        f"{FILE}:11",
        f"{FILE}:16",
        f"{FILE}:20",
        f"{FILE}:25",
    ]


def test_a_campaign_has_at_most_ten_segments_either_way_and_sixty_sub_audiences(shop: Path) -> None:
    groups = "groups: [{name: A, percent: 100, destinations: [klaviyo]}]"
    many = "".join(f"  - {{name: Part {number}, segments: [s{number}], {groups}}}\n" for number in range(61))
    write(shop, "segments/many.yaml", "---\n".join(f"segment: s{number}\n" for number in range(61)))
    names = ", ".join(f"s{number}" for number in range(11))
    text = f"name: Many\ninclude: [{names}]\nexclude: [{names}]\nsub_audiences:\n{many}"
    write(shop, "campaigns/many.yaml", text)
    assert mistakes(shop) == [
        "campaigns/many.yaml:2: include: takes at most 10 items",
        "campaigns/many.yaml:3: exclude: takes at most 10 items",
        "campaigns/many.yaml:4: sub_audiences: takes at most 60 items",
    ]


def test_a_campaign_is_about_the_people_of_one_model(shop: Path) -> None:
    leads = "  leads: {type: users, table: leads, key: id, fields: {email: {type: text}}}\n  orders:\n"
    spoil(shop, "project.yaml", "  orders:\n    type", leads + "    type")
    for name in ("churn_risk", "sock_fans"):
        path = shop / f"segments/{name}.yaml"
        path.write_text(f"model: customers\n{path.read_text()}")
    (shop / "segments/people.yaml").write_text(
        "segment: staff\nmodel: leads\n---\nsegment: big_spenders\nmodel: customers\n"
    )
    spoil(shop, "segments/churn_risk.yaml", "    - not: {segment: staff}\n", "")
    assert mistakes(shop) == [
        f"{FILE}:5: exclude[0]: 'staff' is a segment of 'leads'; this campaign is about 'customers'"
    ]


def test_two_campaigns_of_one_name_would_share_their_files(shop: Path) -> None:
    spoil(shop, FILE, "name: Win back 2026", "name: Win back")
    text = (shop / FILE).read_text().replace("name: Win back\n", "name: Win-Back\n")
    write(shop, "campaigns/other.yaml", text)
    said = mistakes(shop)
    assert said[0] == (
        f"{FILE}:1: name: the campaign 'other' is called 'Win back' as well: their files would be the same"
    )


def test_a_campaigns_files_may_not_be_those_of_another(shop: Path) -> None:
    """`Win_A` + `B` and `Win` + `A_B` are one file's name, whatever the capitals."""
    groups = "groups: [{name: All, percent: 100, destinations: [klaviyo]}]"
    for name, title, part in (("one", "Win", "A_B"), ("two", "win_a", "B")):
        write(
            shop, f"campaigns/{name}.yaml", f"name: {title}\ninclude: [staff]\nremaining: {{name: {part}, {groups}}}\n"
        )
    assert mistakes(shop) == [
        "campaigns/two.yaml:1: files: 'win_a_B_All_2026-01-31.csv' would be a file of this campaign and of 'one' "
        "(give one of them another name)"
    ]


def test_lists_whose_names_differ_in_capitals_alone_are_one_list_to_some_vendors(shop: Path) -> None:
    spoil(shop, FILE, "name: Gift", "name: lyon_SHIRTS")
    [said] = mistakes(shop)
    assert "the list 'Win back 2026_lyon_SHIRTS' at klaviyo belongs to the activation" in said
    assert "'win_back__lyon__shirts__klaviyo' already" in said


def test_names_that_two_groups_would_make_one_file_of(shop: Path) -> None:
    spoil(shop, FILE, "- name: Big spenders", "- name: Lyon_Socks")
    spoil(shop, FILE, "name: Shirts, percent: 45", "name: Socks_Gift, percent: 45")
    assert mistakes(shop) == [
        f"{FILE}:1: files.recipients: 'Socks_Gift' of 'Lyon' and 'Gift' of 'Lyon_Socks' would share one file "
        "(give one of them another name)"
    ]


NAMES = st.text("aAbB1 _-é", min_size=1, max_size=6).filter(
    lambda name: re.fullmatch("[A-Za-z0-9][A-Za-z0-9 _-]*", name)
)
PARTS = st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=3, unique_by=slug), min_size=1, max_size=3)


@given(PARTS)
def test_what_is_told_apart_by_its_slug_is_told_apart_everywhere(parts: dict[str, list[str]]) -> None:
    """Tables, assets and activations of groups whose declared names pass the check, also where these are long."""
    assume(len({slug(name) for name in parts}) == len(parts))
    long = "very_long_" * 12
    pairs = [(part, group) for part, groups in parts.items() for group in groups]
    pairs += [(long + part, long + group) for part, group in pairs]
    for kind in (
        {audience_name("spring", *pair) for pair in pairs},
        {treatment_name("spring", *pair, "klaviyo") for pair in pairs},
        {STATE.table_name(audience_table(audience_name("spring", *pair))) for pair in pairs},
        {STATE.table_name(f"list_{treatment_name('spring', *pair, 'klaviyo')}") for pair in pairs},
    ):
        assert len({name.casefold() for name in kind}) == len(pairs)
    assert all(len(STATE.table_name(audience_table(audience_name("spring", *pair)))) <= 63 for pair in pairs)


def test_campaigns_never_share_a_list_with_an_activation(shop: Path) -> None:
    write(shop, "activations/same.yaml", 'segment: staff\ndestination: klaviyo\nlist_name: "Win back 2026_Socks"\n')
    [said] = mistakes(shop)
    assert said.startswith(f"{FILE}:22: delivery.klaviyo.list_name: the list 'Win back 2026_Socks' at klaviyo belongs")
    assert "'same' already (activations/same.yaml:1)" in said


def test_an_activation_may_not_have_the_name_of_a_groups_list(shop: Path) -> None:
    write(shop, "activations/win_back__lyon__socks__klaviyo.yaml", "segment: staff\ndestination: klaviyo\n")
    [said] = mistakes(shop)
    assert said.startswith(f"{FILE}:11: sub_audiences[0].groups[1].name: the list of this group would be ")


def test_a_list_name_that_the_vendor_can_not_have(shop: Path) -> None:
    write(
        shop, "destinations.yaml", "destinations: {klaviyo: {type: dotdigital, api_user: {env: U}, password: {env: P}}}"
    )
    for path in (shop / "activations").iterdir():
        path.unlink()
    spoil(
        shop, FILE, "    guard: {min_size: 5}", "    mapping: {identifiers: {email: email}}\n    guard: {min_size: 5}"
    )
    spoil(shop, FILE, "    mapping: {default_region: FR}\n", "")
    spoil(shop, FILE, "name: Socks", f"name: {'Socks' * 30}")
    [said] = [each for each in mistakes(shop) if "list_name" in each]
    assert said.startswith(f"{FILE}:22: delivery.klaviyo.list_name: ") and "128" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("holdouts: {universal: {percent: 0}}", "holdouts.universal.percent: must be more than 0, not '0'"),
        (
            "holdouts: {universal: {percent: 5, model: clients}}",
            "holdouts.universal.model: there is no users model 'clients' (there is customers)",
        ),
        (
            "holdouts: {universal: {percent: 5, from: 2026-03-01, until: 2026-03-01}}",
            "holdouts.universal.until: the holdout would end on 2026-03-01, before it begins on 2026-03-01",
        ),
        (
            "priority_lists: {all: [win_bak]}",
            "priority_lists.all[0]: there is no campaign 'win_bak' (did you mean 'win_back'?)",
        ),
    ],
)
def test_mistakes_of_holdouts_and_priority_lists(shop: Path, text: str, says: str) -> None:
    spoil(shop, "project.yaml", "insights:", f"{text}\ninsights:")
    assert mistakes(shop) == [f"project.yaml:62: {says}"]


def test_a_priority_list_and_its_campaigns_name_each_other(shop: Path) -> None:
    spoil(shop, "project.yaml", "insights:", "priority_lists: {spring: [win_back]}\ninsights:")
    assert mistakes(shop) == [
        f"{FILE}:1: priority_list: project.yaml ranks this campaign in 'spring' (write priority_list: spring)"
    ]
    spoil(shop, FILE, "name: Win back 2026", "name: Win back 2026\npriority_list: spring")
    assert load_project(shop).campaigns["win_back"].priority_list == "spring"


def test_each_treatment_group_at_each_destination_is_a_list_and_no_control_group_is(shop: Path) -> None:
    project = load_project(shop)
    lists = {name: each for name, each in project.effective.items() if name not in project.activations}
    assert {name: (each.audience, each.list_name) for name, each in lists.items()} == {
        "win_back__lyon__socks__klaviyo": ("win_back.lyon.socks", "Win back 2026_Socks"),
        "win_back__lyon__shirts__klaviyo": ("win_back.lyon.shirts", "Win back 2026_Lyon_Shirts"),
        "win_back__big_spenders__gift__klaviyo": ("win_back.big_spenders.gift", "Win back 2026_Gift"),
        "win_back__remaining__shirts__klaviyo": ("win_back.remaining.shirts", "Win back 2026_Remaining_Shirts"),
    }
    audience = project.audience("win_back.lyon.socks")
    assert (audience.model, audience.campaign, audience.sub_audience, audience.group) == (
        "customers",
        "win_back",
        "Lyon",
        "Socks",
    )


def test_every_setting_of_a_groups_list_says_where_it_came_from(shop: Path) -> None:
    spoil(shop, FILE, "launch:", "attributes: {klaviyo: [{from: customers.email, to: email}]}\nlaunch:")
    effective = load_project(shop).effective["win_back__lyon__socks__klaviyo"]
    assert (effective.trigger, effective.fresh_within, effective.guard.min_size) == ("manual", None, 5)
    assert effective.mapping.identifiers == {"email": "email"}
    expected = {
        "audience": f"{FILE}:11",
        "destination": f"{FILE}:11",
        "description": f"{FILE}:2",
        "guard.min_size": f"{FILE}:24",
        "guard.max_removed_percent": "built-in default",
        "mapping.default_region": f"{FILE}:23",
        "mapping.identifiers.email": f"{FILE}:26",
        "options.channels": "destinations.yaml:12 (default_activation)",
        "owners": "destinations.yaml:13 (default_activation)",
        "schedule.cadence": f"{FILE}:25",
        "fresh_within": "a campaign ends",
    }
    assert {name: effective.origins[name] for name in expected} == expected


def test_attributes_of_a_campaign_take_the_place_of_the_default_ones(shop: Path) -> None:
    write(
        shop,
        "destinations.yaml",
        "destinations:\n  klaviyo:\n    type: iterable\n    api_key: {env: KEY}\n    project_type: email\n"
        "    default_activation:\n      mapping: {identifiers: {email: email}, fields: {city: city}}\n",
    )
    for path in (shop / "activations").iterdir():
        path.unlink()
    spoil(shop, FILE, "    mapping: {default_region: FR}\n", "")
    assert load_project(shop).effective["win_back__lyon__socks__klaviyo"].mapping.fields == {"city": "city"}
    told = "attributes: {klaviyo: [{from: ltv, to: worth}, {from: campaign.group_name, to: campaignGroup}]}\nlaunch:"
    spoil(shop, FILE, "launch:", told)
    effective = load_project(shop).effective["win_back__lyon__socks__klaviyo"]
    assert effective.mapping.fields == {"worth": "ltv"}
    assert effective.mapping.identifiers == {"email": "email"}
    assert effective.constants == {"campaignGroup": "Socks"}
    assert effective.origins["constants.campaignGroup"] == f"{FILE}:25"


MERGED = """\
  merged:
    type: custom
    table: analytics.merged_customers
    key: customer_id
    fields: {email: {type: text}, forename: {type: text}}
relationships:
"""
SOURCE = """\
    api_key: {env: KLAVIYO_API_KEY}
    default_attributes: {model: merged, identifiers: {email: email}, fields: {first_name: forename}}
"""


def test_attributes_come_from_the_destinations_default_source_unless_they_name_another(shop: Path) -> None:
    spoil(shop, "project.yaml", "relationships:\n", MERGED)
    spoil(shop, "destinations.yaml", "    api_key: {env: KLAVIYO_API_KEY}\n", SOURCE)
    spoil(shop, FILE, "    mapping: {default_region: FR}\n", "    service: klaviyo.audience_list\n")
    name = "win_back__lyon__socks__klaviyo"
    assert load_project(shop).effective[name].mapping.fields == {"first_name": "merged.forename"}
    told = "[{from: email, to: email}, {from: forename, to: name}, {from: customers.city, to: city}]"
    spoil(shop, FILE, "launch:", f"attributes: {{klaviyo: {told}}}\nlaunch:")
    mapping = load_project(shop).effective[name].mapping
    assert mapping.identifiers == {"email": "merged.email"}
    assert mapping.fields == {"name": "merged.forename", "city": "city"}
    spoil(shop, FILE, "from: forename", "from: forname")
    assert mistakes(shop) == [
        f"{FILE}:26: attributes.klaviyo[1].from: there is no field 'forname' in the model 'merged' "
        "(did you mean 'forename'?)"
    ]


def test_the_guides_example_is_a_campaign(shop: Path) -> None:
    guide = Path(audience_assets.__file__).parent.parent / "docs/campaigns.md"
    [example] = re.findall(r"```yaml\n(.*?)```", guide.read_text(), re.DOTALL)
    (shop / FILE).write_text(example)
    iterable = "  iterable:\n    type: iterable\n    api_key: {env: KEY}\n    project_type: email\n"
    spoil(shop, "project.yaml", "relationships:\n", MERGED.replace("  merged:", "  merged_customers:"))
    text = (shop / "destinations.yaml").read_text()
    source = SOURCE.replace("model: merged,", "model: merged_customers,")
    mapped = "    default_activation: {mapping: {identifiers: {email: email}}}\n"
    (shop / "destinations.yaml").write_text(f"{text}{iterable}{mapped}")
    spoil(shop, "destinations.yaml", "    api_key: {env: KLAVIYO_API_KEY}\n", source)
    project = load_project(shop)
    assert len(project.treatments) == 4
    assert project.effective["win_back__lyon__socks__klaviyo"].constants == {"campaign_group": "Socks"}


def test_every_file_carries_the_campaigns_name_and_no_group_shares_one(shop: Path) -> None:
    campaign = load_project(shop).campaigns["win_back"]
    parts = [*campaign.sub_audiences, campaign.remaining]
    files = [recipients_file(campaign, part.name, g.name, "2026-04-07") for part in parts if part for g in part.groups]
    assert len(set(files)) == len(files) == 6
    assert all(file.startswith("Win back 2026_") for file in files)
    assert results_file(campaign) == "Win back 2026_results_2026-04-09_14d.csv"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name: Socks", "name: Win back 2026 Socks", f"{FILE}:11: sub_audiences[0].groups[1].name: the group"),
        (
            "name: Socks",
            "name: Copy of Shirts",
            f"{FILE}:11: sub_audiences[0].groups[1].name: the name 'Copy of Shirts'",
        ),
        ("name: Win back 2026", "name: Untitled 3", f"{FILE}:1: name: the name 'Untitled 3' says nothing"),
        (
            "launch: 2026-04-09",
            "launch: 2026-04-07",
            f"{FILE}:26: launch: the launch on 2026-04-07 is less than 24 hours",
        ),
        (
            "launch: 2026-04-09",
            "assignment: all_matches",
            f"{FILE}:26: assignment: control groups differ in size (Lyon 10",
        ),
    ],
)
def test_what_is_allowed_but_a_trap_is_warned_of(shop: Path, old: str, new: str, says: str) -> None:
    assert remarks(shop) == []
    spoil(shop, FILE, old, new)
    [said] = remarks(shop)
    assert said.startswith(says)


def test_a_group_repeats_the_campaigns_name_in_whole_words_only(shop: Path) -> None:
    spoil(shop, FILE, "name: Win back 2026", "name: Win")
    spoil(shop, FILE, "name: Socks", "name: Winter socks")
    assert remarks(shop) == []
    spoil(shop, FILE, "name: Winter socks", "name: Socks to win")
    assert [said.split(": ")[2].split(" repeats")[0] for said in remarks(shop)] == ["the group 'Socks to win'"]


def test_a_destinations_name_misleads_where_others_get_the_group(shop: Path) -> None:
    text = (shop / "destinations.yaml").read_text()
    other = text.replace("destinations:\n", "").replace("  klaviyo:\n", "  second:\n    account: other\n")
    (shop / "destinations.yaml").write_text(text + other)
    spoil(shop, FILE, "name: Socks", "name: Klaviyo socks")
    assert remarks(shop) == []
    spoil(
        shop,
        FILE,
        "{name: Gift, percent: 66.67, destinations: [klaviyo]}",
        "{name: Gift, percent: 66.67, destinations: [second]}",
    )
    assert remarks(shop) == [
        f"{FILE}:11: sub_audiences[0].groups[1].name: the group 'Klaviyo socks' names klaviyo, "
        "and is sent to second too"
    ]
