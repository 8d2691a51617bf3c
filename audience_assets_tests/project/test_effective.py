"""Effective settings: who wins, how maps merge, and where each setting came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets.errors import ProjectError
from audience_assets.project.effective import effective_activation
from audience_assets.project.load import load_project
from audience_assets_tests.project.folder import mistakes, spoil, write
from audience_assets_tests.project.vendors import POST


def test_two_lines_are_an_activation(shop: Path) -> None:
    effective = load_project(shop).effective["churn_risk"]
    assert effective.service == "klaviyo.subscription_list"
    assert effective.list_name == "Churn risk"
    assert effective.model == "customers"
    assert effective.mapping.identifiers == {"email": "email"}
    assert effective.options["channels"] == ["email"]
    assert (effective.schedule.cadence, effective.schedule.at) == ("daily", "06:00")
    assert (effective.trigger, effective.foreign, effective.fresh_within) == ("on_change", "keep", "26h")
    assert effective.owners == ["team:crm"]


def test_maps_merge_by_key_and_lists_replace(shop: Path) -> None:
    effective = load_project(shop).effective["big_spenders"]
    assert effective.mapping.identifiers == {"email": "email", "phone": "phone"}
    assert effective.tags == {"area": "crm", "tier": "gold"}
    assert effective.options["channels"] == ["email", "sms"]
    assert effective.owners == ["crm@shop.example"]
    assert (effective.guard.min_size, effective.guard.max_removed_percent) == (10, 30)


def test_every_setting_says_where_it_came_from(shop: Path) -> None:
    effective = load_project(shop).effective["big_spenders"]
    expected = {
        "audience": "activations/big_spenders.yaml:1",
        "destination": "activations/big_spenders.yaml:2",
        "service": "the usual service of klaviyo",
        "list_name": "activations/big_spenders.yaml:3",
        "mapping.identifiers.email": "destinations.yaml:8 (default_activation)",
        "mapping.identifiers.phone": "activations/big_spenders.yaml:5",
        "mapping.default_region": "activations/big_spenders.yaml:6",
        "mapping.region": "built-in default",
        "consent.consent_at.email": "destinations.yaml:10 (default_activation)",
        "consent.resubscribe": "built-in default",
        "options.channels": "activations/big_spenders.yaml:8",
        "options.opt_in_process": "default of klaviyo.subscription_list",
        "guard.min_size": "activations/big_spenders.yaml:9",
        "guard.max_removed_percent": "built-in default",
        "owners": "activations/big_spenders.yaml:10",
        "tags.area": "destinations.yaml:14 (default_activation)",
        "tags.tier": "activations/big_spenders.yaml:11",
        "schedule.cadence": "built-in default",
    }
    assert {name: effective.origins.get(name) for name in expected} == expected


def test_every_effective_setting_has_an_origin(shop: Path) -> None:
    for effective in load_project(shop).effective.values():
        data = effective.model_dump(
            exclude={"name", "model", "destination_type", "origins", "description"}, exclude_defaults=False
        )
        for name, value in data.items():
            keys = [f"{name}.{key}" for key in value] if isinstance(value, dict) else [name]
            for key in keys:
                assert any(known == key or known.startswith(f"{key}.") for known in effective.origins) or not value.get(
                    key.partition(".")[2]
                ), key


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ('"{segment_name}"', "big_spenders"),
        ('"{segment_label}"', "Big spenders"),
        ('"{activation} at {destination}"', "gold at klaviyo"),
        ("DinMo Subscription List", "DinMo Subscription List"),
        ('"{{as is}}"', "{as is}"),
        ('"0123"', "0123"),
    ],
)
def test_list_names_are_templates(shop: Path, template: str, name: str) -> None:
    (shop / "activations" / "big_spenders.yaml").unlink()
    write(shop, "activations/gold.yaml", f"segment: big_spenders\ndestination: klaviyo\nlist_name: {template}\n")
    assert load_project(shop).effective["gold"].list_name == name


def test_a_segment_without_a_label_gives_the_list_its_name(shop: Path) -> None:
    write(shop, "activations/socks.yaml", "segment: sock_fans\ndestination: klaviyo\n")
    assert load_project(shop).effective["socks"].list_name == "sock_fans"


@pytest.mark.parametrize(
    "name", ['"{segment_name.__class__}"', '"{0}"', '"{}"', '"{segment_name!r}"', '"{segment_name"']
)
def test_a_template_fills_in_four_names_and_nothing_else(shop: Path, name: str) -> None:
    spoil(shop, "activations/churn_risk.yaml", "destination: klaviyo", f"destination: klaviyo\nlist_name: {name}")
    [said] = mistakes(shop)
    assert said.startswith("activations/churn_risk.yaml:3: list_name: ")


def test_one_list_name_for_all_is_an_error_because_each_activation_owns_its_list(shop: Path) -> None:
    spoil(shop, "destinations.yaml", "      mapping:", "      list_name: DinMo Subscription List\n      mapping:")
    write(shop, "activations/socks.yaml", "segment: sock_fans\ndestination: klaviyo\n")
    assert mistakes(shop) == [
        "activations/socks.yaml:1: list_name: the list 'DinMo Subscription List' at klaviyo belongs to the activation "
        "'churn_risk' already (activations/churn_risk.yaml:1); each activation owns one list (give this one a "
        'list_name of its own, e.g. "{segment_label}")'
    ]


def test_one_account_under_two_names_is_one_account(shop: Path) -> None:
    second = "  second:\n    type: klaviyo\n    api_key: {env: KLAVIYO_API_KEY}\n"
    text = (shop / "destinations.yaml").read_text().replace("    description: The shop's account\n", "")
    write(shop, "destinations.yaml", text + second)
    write(
        shop,
        "activations/twin.yaml",
        "segment: churn_risk\ndestination: second\nmapping: {identifiers: {email: email}}\n",
    )
    [said] = mistakes(shop)
    assert "the list 'Churn risk' at second belongs to the activation 'churn_risk' already" in said


def test_null_takes_a_default_back(shop: Path) -> None:
    default = "consent:\n        history: {model: consents}\n"
    spoil(shop, "destinations.yaml", "consent:\n", default)
    effective = load_project(shop).effective["churn_risk"]
    assert effective.consent.history is not None
    back = "destination: klaviyo\nconsent: {history: null}\ntags: null"
    spoil(shop, "activations/churn_risk.yaml", "destination: klaviyo", back)
    effective = load_project(shop).effective["churn_risk"]
    assert effective.consent.history is None
    assert effective.tags == {}
    assert effective.consent.consent_at == {"email": "email_consent_at"}


def test_effective_settings_can_be_asked_for_one_by_one(shop: Path) -> None:
    project = load_project(shop)
    activation = project.activations["churn_risk"]
    assert effective_activation(project, activation) == project.effective["churn_risk"]


@pytest.fixture
def post(shop: Path) -> Path:
    """The shop with a vendor of its own, which has two services."""
    for path in shop.glob("activations/*.yaml"):
        path.unlink()
    write(
        shop,
        "destinations.yaml",
        "destinations:\n  letters:\n    type: post\n    token: {env: POST_TOKEN}\n    default_activation:\n"
        "      options: {paper: thin}\n",
    )
    write(
        shop,
        "activations/mail.yaml",
        "segment: churn_risk\ndestination: letters\nservice: post.letters\n"
        "mapping:\n  identifiers: {customer_number: email}\n  fields: {address: city}\n",
    )
    return shop


def said_of(root: Path) -> list[str]:
    with pytest.raises(ProjectError) as caught:
        load_project(root, destinations={"post": POST})
    return str(caught.value).split("\n")


def test_other_vendors_are_checked_by_what_they_declare(post: Path) -> None:
    effective = load_project(post, destinations={"post": POST}).effective["mail"]
    assert effective.options == {"paper": "thin", "copies": 1}
    assert effective.origins["options.copies"] == "default of post.letters"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (
            "activations/mail.yaml",
            "service: post.letters\n",
            "",
            "activations/mail.yaml:1: Post has several services: say which in `service` "
            "(there is post.letters, post.cards)",
        ),
        (
            "activations/mail.yaml",
            "  fields: {address: city}\n",
            "",
            "activations/mail.yaml:4: mapping: post.letters needs mapping.fields.address "
            "(map it to a field of the users model)",
        ),
        (
            "activations/mail.yaml",
            "{address: city}",
            "{address: order.amount}",
            "activations/mail.yaml:6: mapping.fields.address: "
            "there is no belongs_to relationship 'order' from the model 'customers'",
        ),
        (
            "activations/mail.yaml",
            "{address: city}",
            "{address: city, customer_number: city}",
            "activations/mail.yaml:6: mapping.fields.customer_number: 'customer_number' is not an attribute: "
            "write mapping.identifiers.customer_number",
        ),
        (
            "activations/mail.yaml",
            "mapping:",
            "consent: {import_history: true}\nmapping:",
            "activations/mail.yaml:4: consent.import_history: post.letters carries no consent",
        ),
        (
            "destinations.yaml",
            "      options: {paper: thin}",
            "      fresh_within: 1d",
            "activations/mail.yaml:1: options.paper: is required",
        ),
        (
            "destinations.yaml",
            "token: {env: POST_TOKEN}",
            "token: a_token_in_the_file",
            "destinations.yaml:4: destinations.letters.token: a secret does not belong in a file "
            "(write token: {env: POST_TOKEN} and set that variable)",
        ),
    ],
)
def test_what_a_vendor_needs_is_said_in_its_words(post: Path, file: str, old: str, new: str, said: str) -> None:
    spoil(post, file, old, new)
    assert said in said_of(post)
