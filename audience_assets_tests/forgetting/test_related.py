"""Who is known by an address of another model than the users' is found by it, and offered to a sandbox by it."""

from __future__ import annotations

from audience_assets.assets.checks import mapped_identifiers
from audience_assets.assets.statements import Statements
from audience_assets.audiences.quality import identifier_quality
from audience_assets.cli.contacts import contacts
from audience_assets.forgetting import forget, read_subject
from audience_assets_tests.sync.audience_shop import AudienceShop, MakeShop, make_shop

__all__ = ["make_shop"]

OTHER_TABLE = """\
    default_attributes:
      model: merged_customers
      identifiers: {email: city, phone: phone}
"""


def known_elsewhere(make_shop: MakeShop) -> AudienceShop:
    """One member, whose addresses stand in `merged_customers`; the users model knows another one."""
    shop = make_shop("", OTHER_TABLE)
    shop.people({"id": 1, "email": "unused@shop.com", "city": "Ann@shop-customers.com", "phone": "+12025550101"})
    shop.vips([1])
    shop.sync()
    return shop


def test_a_related_address_finds_the_person(make_shop: MakeShop) -> None:
    shop = known_elsewhere(make_shop)
    for kind, given in (("email", "ann@Shop-customers.com"), ("phone", "+1 202 555 0101")):
        found = forget(shop.runtime, read_subject(shop.runtime.project, kind, given), erase=False)
        assert found.users == {"users": 1}
        assert [each.activation for each in found.listed] == ["vips"]


def test_the_other_table_is_counted_read_and_watched(make_shop: MakeShop) -> None:
    shop = known_elsewhere(make_shop)
    assert list(contacts(shop.runtime, "klaviyo", 100)) == [
        {"email": "ann@shop-customers.com", "phone": "+12025550101"}
    ]
    project, mapped = shop.runtime.project, mapped_identifiers(shop.runtime.project, "vips")
    [quality] = identifier_quality(shop.runtime.engine, shop.runtime.state, project, "vips", mapped)
    assert (quality.members, quality.missing, quality.malformed) == (1, 0, 0)
    behind = Statements(project).models_behind(project.effective["vips"])
    assert sorted(behind) == ["merged_customers", "users"]
