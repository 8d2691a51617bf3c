"""What a list needs of a person, as its activation or its destination's defaults say."""

from __future__ import annotations

from pathlib import Path

from audience_assets.project.load import load_project
from audience_assets.project.needs import Needs, audience_needs
from audience_assets_tests.project.vendors import POST


def test_an_activations_list_needs_one_of_its_identifiers(shop: Path) -> None:
    needs = audience_needs(load_project(shop), "big_spenders")
    assert needs == {"big_spenders": Needs("klaviyo", {"email": "email", "phone": "phone"}, {}, {})}


def test_without_an_activation_it_is_the_destinations_defaults(shop: Path) -> None:
    assert audience_needs(load_project(shop), "sock_fans") == {"klaviyo": Needs("klaviyo", {"email": "email"}, {}, {})}


def test_a_destination_whose_defaults_map_no_identifier_is_left_out(shop: Path) -> None:
    file = shop / "destinations.yaml"
    file.write_text(file.read_text().replace("identifiers: {email: email}", "fields: {city: country}"))
    (shop / "activations" / "churn_risk.yaml").unlink()
    activation = shop / "activations" / "big_spenders.yaml"
    activation.write_text(activation.read_text().replace("{phone: phone}", "{phone: phone, email: email}"))
    project = load_project(shop)
    assert audience_needs(project, "sock_fans") == {}
    assert audience_needs(project, "big_spenders")["big_spenders"].attributes == {"city": "country"}


def test_what_must_be_there_beside_the_identifiers_is_required(shop: Path) -> None:
    (shop / "destinations.yaml").write_text("destinations:\n  post: {type: post, token: {env: POST_TOKEN}}\n")
    for name in ("churn_risk", "big_spenders"):
        (shop / "activations" / f"{name}.yaml").unlink()
    (shop / "activations" / "letters.yaml").write_text(
        "segment: sock_fans\ndestination: post\nservice: post.letters\noptions: {paper: thin}\n"
        "mapping:\n  identifiers: {customer_number: email}\n  fields: {address: country, city: country}\n"
    )
    vendors = {"post": POST}
    project = load_project(shop, destinations=vendors)
    assert audience_needs(project, "sock_fans", vendors)["letters"] == Needs(
        "post", {"customer_number": "email"}, {"address": "country"}, {"address": "country", "city": "country"}
    )
