"""A destination's default source, and mapped fields of models that the users model belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from audience_assets.project.load import load_project
from audience_assets.project.project import Project
from audience_assets_tests.project.folder import mistakes, spoil, write

PROFILES = """\
  merged_customers:
    type: custom
    table: analytics.merged_customers
    key: customer_id
    fields:
      email: {type: text}
      mobile: {type: text}
      forename: {type: text}
      spent: {type: number}
      plan_id: {type: integer}
  plans: {type: custom, table: plans, key: plan_id, key_type: integer, fields: {title: {type: text}}}
relationships:
  - {from: merged_customers, to: plans, kind: belongs_to, on: {plan_id: plan_id}}
"""
SOURCE = """\
    default_attributes:
      model: merged_customers
      identifiers: {email: email, phone: mobile}
      fields: {first_name: forename, spent: spent}
"""
CONSENT = "consent_at: {email: email_consent_at}"
AUDIENCE = """\
segment: churn_risk
destination: klaviyo
service: klaviyo.audience_list
list_name: Group
mapping: {identifiers: {email: email}, fields: {plan: merged_customers.plan.title}}
"""
MORE = ", fields: {plan: merged_customers.plan.title}"
FILE = "activations/group.yaml"


@pytest.fixture
def shop(shop: Path) -> Path:
    """The example shop with a default source and an audience list beside the subscription list."""
    spoil(shop, "project.yaml", "relationships:\n", PROFILES)
    spoil(shop, "destinations.yaml", "    api_key: {env: KLAVIYO_API_KEY}\n", f"    api_key: {{env: K}}\n{SOURCE}")
    write(shop, FILE, AUDIENCE)
    return shop


def loaded(shop: Path) -> Project:
    return load_project(shop)


def test_what_nobody_maps_comes_from_the_default_source(shop: Path) -> None:
    group = loaded(shop).effective["group"]
    assert group.mapping.identifiers == {"email": "email", "phone": "merged_customers.mobile"}
    assert group.mapping.fields == {
        "plan": "merged_customers.plan.title",
        "first_name": "merged_customers.forename",
        "spent": "merged_customers.spent",
    }
    assert group.origins["mapping.fields.first_name"] == "destinations.yaml:9"
    assert group.origins["mapping.fields.plan"] == "activations/group.yaml:5"


def test_a_source_that_is_the_users_model_needs_no_path(shop: Path) -> None:
    spoil(shop, FILE, MORE, "")
    spoil(shop, "destinations.yaml", SOURCE, "    default_attributes: {model: customers, fields: {city: city}}\n")
    assert loaded(shop).effective["group"].mapping.fields["city"] == "city"


def test_a_declared_relationship_leads_there_where_the_keys_differ(shop: Path) -> None:
    spoil(shop, "project.yaml", "    key: customer_id\n    fields:\n      email: {type: text}\n", NUMBERED)
    say = (
        "destinations.yaml:7: klaviyo.default_attributes.model: nothing joins 'merged_customers' to 'customers', whose "
        "segments are delivered here, and their keys are integer and text (declare a relationship: {from: customers, "
        "to: merged_customers, kind: belongs_to, on: {...: row}})"
    )
    assert say in [line.replace("destinations.klaviyo", "klaviyo") for line in mistakes(shop)]
    link = "  - {from: customers, to: merged_customers, kind: belongs_to, on: {age: row}}\n"
    spoil(shop, "project.yaml", "relationships:\n", f"relationships:\n{link}")
    assert loaded(shop).effective["group"].mapping.fields["spent"] == "merged_customers.spent"


NUMBERED = "    key: row\n    key_type: integer\n    fields:\n      email: {type: text}\n"


def test_the_subscription_list_beside_it_knows_nothing_of_it(shop: Path) -> None:
    assert loaded(shop).effective["churn_risk"].mapping.model_dump(exclude_defaults=True) == {
        "identifiers": {"email": "email"}
    }


def test_what_a_destination_says_to_one_service_means_nothing_to_another(shop: Path) -> None:
    """The destination's options and consent are for the subscription list, which has channels."""
    spoil(shop, "destinations.yaml", CONSENT, f"import_history: true\n        {CONSENT[:-1]}, sms: created_at}}")
    project = loaded(shop)
    options = project.effective["group"].options
    assert (options["opt_in_process"], options["nulls"]) == ("double_opt_in", "clear")
    assert "channels" not in options
    assert not project.effective["group"].consent.import_history
    assert project.effective["churn_risk"].options["channels"] == ["email"]
    assert project.effective["churn_risk"].consent.import_history
    write(shop, FILE, AUDIENCE + "options: {channels: [email]}\n")
    assert mistakes(shop) == [
        "activations/group.yaml:6: options.channels: unknown option 'channels' of klaviyo.audience_list "
        "(there is opt_in_process, nulls, route, sftp_from_minutes)"
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model: merged_customers", "model: merged_customer", "model: there is no model 'merged_customer' "
         "(did you mean 'merged_customers'?)"),
        ("forename,", "forname,", "fields.first_name: there is no field 'forname' in the model 'merged_customers' "
         "(did you mean 'forename'?)"),
        ("phone: mobile", "phon: mobile", "identifiers.phon: there is no identifier 'phon' of Klaviyo "
         "(did you mean 'phone'?)"),
        ("phone: mobile", "phone: spent", "identifiers.phone: 'spent' is number; an identifier is text"),
        ("spent: spent", "location.town: spent", "fields.location.town: 'location.town' can't be mapped: "
         "a location has no 'town' (there is address1, address2, city, country, latitude, longitude, region, zip, "
         "timezone, ip)"),
        ("spent: spent", "phone_number: spent", "fields.phone_number: 'phone_number' can't be mapped: it is no "
         "attribute (map identifiers.phone)"),
        ("spent: spent", "properties.first_name: spent, first_nam: spent", None),
    ],
)  # fmt: skip
def test_a_mistake_in_it_is_said_once_where_it_stands(shop: Path, old: str, new: str, said: str | None) -> None:
    spoil(shop, FILE, MORE, "")
    spoil(shop, "destinations.yaml", old, new)
    if said is None:
        loaded(shop)
        return
    [line] = mistakes(shop)
    assert line.partition("default_attributes.")[2] == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("merged_custmers.spent", "there is no belongs_to relationship 'merged_custmers' from the model 'customers' "
         "(did you mean 'merged_customer'?)"),
        ("merged_customers.spnt", "there is no field 'spnt' in the model 'merged_customers' (did you mean 'spent'?)"),
        ("order.amount", "there is no belongs_to relationship 'order' from the model 'customers' "
         "(there is merged_customer)"),
    ],
)  # fmt: skip
def test_a_mapped_path_is_checked_hop_by_hop(shop: Path, path: str, said: str) -> None:
    spoil(shop, FILE, "plan: merged_customers.plan.title", f"plan: {path}")
    assert mistakes(shop) == [f"activations/group.yaml:5: mapping.fields.plan: {said}"]


def test_consent_belongs_to_addresses_of_the_users_model(shop: Path) -> None:
    spoil(shop, FILE, MORE, "")
    spoil(shop, FILE, "audience_list", "subscription_list")
    spoil(shop, FILE, "email: email", "email: merged_customers.email")
    assert mistakes(shop) == [
        "activations/group.yaml:5: mapping.identifiers.email: 'merged_customers.email' follows a relationship; "
        "klaviyo.subscription_list carries consent, which belongs to addresses of the model 'customers'"
    ]


def test_an_attribute_is_mapped_once(shop: Path) -> None:
    spoil(shop, FILE, "plan: merged", "properties.spent: merged")
    assert mistakes(shop) == [
        "destinations.yaml:9: destinations.klaviyo.default_attributes.fields.spent: 'spent' can't be mapped: it is the "
        "same attribute as 'properties.spent'"
    ]
