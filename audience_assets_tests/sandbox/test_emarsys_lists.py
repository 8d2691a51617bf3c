"""The Emarsys twin's contact lists, members and look-ups, by raw HTTP."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import requests

from audience_assets.sandbox import Action, Fault, Sandbox
from audience_assets.sandbox.emarsys import EmarsysSandbox
from audience_assets_tests.sandbox.emarsys_caller import EmarsysCaller, emarsys, refusal

__all__ = ["emarsys"]

ANN, BOB, CID, DUO = (f"{name}@example.com" for name in ("Ann", "bob", "cid", "duo"))


@pytest.fixture
def vip(emarsys: EmarsysCaller) -> int:
    """A list; Ann, Bob and Cid are contacts, and so are two who share an address and one without any."""
    emarsys.account.add_contacts([{"email": each} for each in (ANN, BOB, CID, DUO, DUO)] + [{}])
    return emarsys.account.create_list("VIP").id


class TestLists:
    def test_they_come_and_go(self, emarsys: EmarsysCaller) -> None:
        made = emarsys.data(emarsys.post("/contactlist", key_id="3", name="VIP", description="Dear ones"))
        assert set(made) == {"id"}, "no ids sent, no errors told"
        assert isinstance(made["id"], int)
        [shown] = emarsys.data(emarsys.call("GET", "/contactlist"))
        assert shown == {"id": str(made["id"]), "name": "VIP", "created": "2026-07-15 09:00:00", "type": 0}
        renamed = emarsys.data(emarsys.post(f"/contactlist/{made['id']}/rename", name="VIPs"))
        assert renamed == {"id": made["id"], "name": "VIPs"}
        assert emarsys.data(emarsys.call("POST", f"/contactlist/{made['id']}/deletelist", {})) == {}
        assert emarsys.data(emarsys.call("GET", "/contactlist")) == []

    @pytest.mark.usefixtures("vip")
    def test_one_may_be_made_with_members(self, emarsys: EmarsysCaller) -> None:
        body = {"key_id": "3", "name": "New", "external_ids": [ANN, "nobody@example.com"]}
        made = emarsys.data(emarsys.post("/contactlist", **body))
        assert list(made["errors"]) == ["nobody@example.com"]
        assert emarsys.data(emarsys.call("GET", f"/contactlist/{made['id']}/count")) == 1
        made = emarsys.data(emarsys.post("/contactlist", key_id="3", name="Newer", external_ids=[ANN]))
        assert made["errors"] == []

    @pytest.mark.parametrize("name", ["VIP", " vip "])
    def test_names_are_unique(self, emarsys: EmarsysCaller, vip: int, name: str) -> None:
        assert refusal(emarsys.post("/contactlist", key_id="3", name=name)) == (400, 3005)
        other = emarsys.account.create_list("Other").id
        assert refusal(emarsys.post(f"/contactlist/{other}/rename", name=name)) == (400, 3005)
        assert emarsys.post(f"/contactlist/{vip}/rename", name=name).status_code == 200, "its own name is free"

    @pytest.mark.parametrize(("name", "code"), [(None, 3001), (" ", 3001), (7, 3001), ("a\tb", 3004)])
    def test_names_that_are_none(self, emarsys: EmarsysCaller, name: Any, code: int) -> None:
        assert refusal(emarsys.post("/contactlist", key_id="3", name=name)) == (400, code)

    @pytest.mark.parametrize("path", ["rename", "deletelist"])
    def test_unknown_lists(self, emarsys: EmarsysCaller, path: str) -> None:
        assert refusal(emarsys.post(f"/contactlist/5/{path}", name="x")) == (404, 3006)
        assert refusal(emarsys.post(f"/contactlist/Wrong-id/{path}", name="x")) == (400, 1)


class TestMembers:
    def test_known_contacts_are_added_and_the_others_named(self, emarsys: EmarsysCaller, vip: int) -> None:
        said = emarsys.change(vip, "add", ANN, "nobody@example.com", DUO, "")
        assert said == {
            "inserted_contacts": 1,
            "errors": {
                "nobody@example.com": {"2008": "No contact found with the external id: 3 - nobody@example.com"},
                DUO: {"2010": f"More contacts found with the external id: 3 - {DUO}"},
                "": {"2005": "No value provided for key field: 3"},
            },
        }
        assert emarsys.change(vip, "add", ANN, BOB) == {"inserted_contacts": 1, "errors": []}
        emarsys.switches.count_repeated = True
        assert emarsys.change(vip, "add", ANN, BOB)["inserted_contacts"] == 2
        assert emarsys.data(emarsys.call("GET", f"/contactlist/{vip}/count")) == 2

    def test_they_are_removed_and_stay_contacts(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.change(vip, "add", ANN, BOB)
        assert emarsys.change(vip, "delete", ANN, CID) == {"deleted_contacts": 1, "errors": []}
        emarsys.switches.numbers_as_text = True
        assert emarsys.change(vip, "delete", BOB)["deleted_contacts"] == "1"
        assert "2008" in emarsys.change(vip, "delete", "nobody@example.com")["errors"]["nobody@example.com"]
        assert len(emarsys.account.contacts) == 6

    def test_a_list_can_be_replaced(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.change(vip, "add", ANN, BOB)
        said = emarsys.change(vip, "replace", CID, "nobody@example.com")
        assert said["errors"] == {"nobody@example.com": {"2008": "No contact found with the external id: 3"}}
        assert [each.email for each in emarsys.account.members(vip)] == [CID]

    @pytest.mark.parametrize(("key", "value"), [("id", "101"), (3, ANN), ("email", ANN), ("3", ANN.upper())])
    def test_by_each_key(self, emarsys: EmarsysCaller, vip: int, key: Any, value: str) -> None:
        assert emarsys.change(vip, "add", value, key=key) == {"inserted_contacts": 1, "errors": []}

    def test_capitals_may_matter(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.switches.emails_fold_case = False
        assert list(emarsys.change(vip, "add", ANN.lower(), BOB)["errors"]) == [ANN.lower()]

    @pytest.mark.parametrize("how", ["add", "delete", "replace"])
    def test_what_is_wrong_with_a_call(self, emarsys: EmarsysCaller, vip: int, how: str) -> None:
        path = f"/contactlist/{vip}/{how}"
        assert refusal(emarsys.post(path, key_id="3", external_ids=["x"] * 10_001)) == (400, 3002)
        assert emarsys.post(path, key_id="3", external_ids=["x"] * 10_000).status_code == 200
        assert refusal(emarsys.post(path, key_id="3", external_ids=ANN)) == (400, 3003)
        assert refusal(emarsys.post(path, key_id="wrong_id", external_ids=[ANN])) == (400, 2004)
        assert refusal(emarsys.post(path, external_ids=[ANN])) == (400, 2004)
        body = {"key_id": "3", "external_ids": [ANN]}
        assert refusal(emarsys.post(f"/contactlist/5/{how}", **body)) == (400, 3004)
        assert refusal(emarsys.post(f"/contactlist/Wrong-id/{how}", **body)) == (400, 1)
        emarsys.switches.unknown_list_is_404 = True
        assert refusal(emarsys.post(f"/contactlist/5/{how}", **body)) == (404, 3006)

    @pytest.mark.parametrize("how", ["add", "delete"])
    def test_unknown_people_may_sink_the_call(self, emarsys: EmarsysCaller, vip: int, how: str) -> None:
        path, mixed = f"/contactlist/{vip}/{how}", [ANN, "nobody@example.com"]
        emarsys.switches.refuse_unknown = "all"
        assert refusal(emarsys.post(path, key_id="3", external_ids=mixed[1:])) == (400, 2008)
        assert emarsys.post(path, key_id="3", external_ids=mixed).status_code == 200
        assert emarsys.post(path, key_id="3", external_ids=[]).status_code == 200
        emarsys.switches.refuse_unknown = "any"
        assert refusal(emarsys.post(path, key_id="3", external_ids=mixed)) == (400, 2008)

    def test_ids_are_read_in_pages(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.change(vip, "add", ANN, BOB, CID)
        path = f"/contactlist/{vip}/contactIds"
        whole = emarsys.data(emarsys.call("GET", path))
        assert whole == {"value": [101, 102, 103], "next": None}
        page = emarsys.data(emarsys.call("GET", f"{path}?%24top=2"))
        assert page == {"value": [101, 102], "next": f"{path}?$skiptoken=102&$top=2"}
        assert emarsys.data(emarsys.call("GET", page["next"])) == {"value": [103], "next": None}
        emarsys.switches.bare_pages = True
        assert emarsys.call("GET", path).json() == {"value": [101, 102, 103], "next": None}

    @pytest.mark.parametrize("query", ["$top=100001", "$top=0", "$top=ten"])
    def test_pages_have_a_size(self, emarsys: EmarsysCaller, vip: int, query: str) -> None:
        assert refusal(emarsys.call("GET", f"/contactlist/{vip}/contactIds?{query}")) == (400, 10001)
        assert refusal(emarsys.call("GET", "/contactlist/5/contactIds")) == (404, 3006)
        emarsys.switches.contact_ids_on_v3 = False
        assert emarsys.call("GET", f"/contactlist/{vip}/contactIds").status_code == 404

    def test_a_call_that_is_not_applied_says_that_it_was(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.sandbox.faults.add(Fault(Action.NOT_APPLIED))
        assert emarsys.change(vip, "add", ANN) == {"inserted_contacts": 1, "errors": []}
        emarsys.data(emarsys.post("/contactlist", key_id="3", name="Never made"))
        assert emarsys.account.members(vip) == []
        assert [each.name for each in emarsys.account.lists] == ["VIP"]


class TestLookups:
    @pytest.mark.usefixtures("vip")
    def test_ids_by_address(self, emarsys: EmarsysCaller) -> None:
        body = {"key_id": "3", "external_ids": [ANN, DUO, "nobody@example.com"]}
        found = emarsys.data(emarsys.post("/contact/checkids", **body))
        assert found["ids"] == {ANN: "101"}
        assert {value: list(codes) for value, codes in found["errors"].items()} == {
            DUO: ["2010"],
            "nobody@example.com": ["2008"],
        }
        found = emarsys.data(emarsys.post("/contact/checkids", **body, get_multiple_ids=True))
        assert found["ids"] == {ANN: ["101"], DUO: ["104", "105"]}
        emarsys.switches.multiple_ids = False
        assert list(emarsys.data(emarsys.post("/contact/checkids", **body, get_multiple_ids=True))["ids"]) == [ANN]
        assert emarsys.data(emarsys.post("/contact/checkids", key_id="3", external_ids=["x"]))["ids"] == []

    def test_looking_up_with_a_list_changes_it(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.data(emarsys.post("/contact/checkids", key_id="3", external_ids=[ANN], contact_list_id=vip))
        assert [each.email for each in emarsys.account.members(vip)] == [ANN]
        body = {"key_id": "3", "external_ids": [ANN], "contact_list_id": 5}
        assert refusal(emarsys.post("/contact/checkids", **body)) == (400, 2020)

    @pytest.mark.usefixtures("vip")
    def test_fields_by_id(self, emarsys: EmarsysCaller) -> None:
        body = {"keyId": "id", "keyValues": ["101", "106", "999"], "fields": ["3", "31"]}
        found = emarsys.data(emarsys.post("/contact/getdata", **body))
        assert [row["id"] for row in found["result"]] == ["101", "106"]
        assert (found["result"][0]["3"], found["result"][1]["3"]) == (ANN, None)
        assert found["errors"] == [
            {"key": "999", "errorCode": 2008, "errorMsg": "No contact found with the external id: id"}
        ]
        assert emarsys.data(emarsys.post("/contact/getdata", keyId="id", keyValues=["9"]))["result"] is False
        shared = emarsys.data(emarsys.post("/contact/getdata", keyId="3", keyValues=[DUO]))
        assert shared["errors"][0]["errorCode"] == 2010

    @pytest.mark.parametrize("call", ["checkids", "getdata"])
    def test_at_most_a_thousand(self, emarsys: EmarsysCaller, call: str) -> None:
        many = [str(number) for number in range(1001)]
        key, values = ("key_id", "external_ids") if call == "checkids" else ("keyId", "keyValues")
        assert refusal(emarsys.post(f"/contact/{call}", **{key: "3", values: many})) == (400, 2002)
        assert refusal(emarsys.post(f"/contact/{call}", **{key: "3", values: "one"})) == (400, 2003)
        assert emarsys.post(f"/contact/{call}", **{key: "3", values: many[1:]}).status_code == 200

    @pytest.mark.usefixtures("vip")
    def test_everybody_with_an_address(self, emarsys: EmarsysCaller) -> None:
        found = emarsys.data(emarsys.call("GET", f"/contact/query/?return=3&3={DUO}&limit=10000&offset=0"))
        assert found == {"errors": [], "result": [{"id": "104", "3": DUO}, {"id": "105", "3": DUO}]}
        assert len(emarsys.data(emarsys.call("GET", f"/contact/query?return=3&3={DUO}&limit=1"))["result"]) == 1
        assert refusal(emarsys.call("GET", f"/contact/query/?return=3&3={DUO}&limit=10001")) == (400, 2016)
        assert refusal(emarsys.call("GET", "/contact/query/?return=3&2=Ann")) == (400, 2015)
        assert refusal(emarsys.call("GET", "/contact/query/?return=3")) == (400, 1001)


class TestControl:
    """The page, and commands from another process."""

    def test_commands(self) -> None:
        with Sandbox([EmarsysSandbox()]) as sandbox:

            def ask(command: str, **arguments: Any) -> Any:
                answer = requests.post(f"{sandbox.url}/_sandbox/emarsys/{command}", json=arguments, timeout=10)
                assert answer.ok, answer.text
                return answer.json()

            ask("account", client=["client", "hush"], permissions=["contactlist.list"])
            assert ask("seed", contacts=[{"email": ANN, "optin": True}, {"email": BOB}]) == {"created": 2}
            made = ask("create_list", name="VIP")["id"]
            assert ask("state") == {"contacts": 2, "lists": [{"id": made, "name": "VIP", "members": 0}]}
            sandbox.emarsys.account().list_named("VIP").add([101])
            assert ask("members", list="VIP") == {"emails": [ANN]}
            ask("switches", always_200=True)
            assert sandbox.emarsys.switches.always_200
            for command, arguments in (("nothing", {}), ("switches", {"nothing": 1}), ("members", {"list": "No"})):
                url = f"{sandbox.url}/_sandbox/emarsys/{command}"
                assert requests.post(url, json=arguments, timeout=10).status_code == 404

    def test_the_page_shows_lists_members_and_contacts(self, emarsys: EmarsysCaller, vip: int) -> None:
        emarsys.change(vip, "add", ANN)
        emarsys.account.set_opt_in(ANN, True)
        pages = {
            path: requests.get(f"{emarsys.sandbox.url}{path}", timeout=10).text
            for path in ("/", f"/_sandbox/view/emarsys/demo/lists/{vip}", "/_sandbox/view/emarsys/demo/contacts")
        }
        assert "VIP" in pages["/"]
        assert "addContactsToContactList" in pages["/"]
        assert ANN in pages[f"/_sandbox/view/emarsys/demo/lists/{vip}"]
        assert BOB in pages["/_sandbox/view/emarsys/demo/contacts"]
        assert requests.get(f"{emarsys.sandbox.url}/_sandbox/view/emarsys/demo/lists/5", timeout=10).status_code == 404

    def test_the_log_keeps_no_credentials(self, emarsys: EmarsysCaller) -> None:
        emarsys.call("GET", "/contactlist", version="v2", headers=emarsys.wsse())
        for entry in emarsys.sandbox.requests:
            assert not {"authorization", "x-wsse"} & set(entry.headers)
            assert orjson.loads(entry.answer or b"{}")
