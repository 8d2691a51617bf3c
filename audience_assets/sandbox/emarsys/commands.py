"""What a test in another process may ask of the Emarsys twin, by POST to `/_sandbox/emarsys/<command>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.emarsys.auth import ALL_PERMISSIONS
from audience_assets.sandbox.switching import change_switches

if TYPE_CHECKING:
    from audience_assets.sandbox.emarsys.account import EmarsysAccount
    from audience_assets.sandbox.emarsys.vendor import EmarsysSandbox

Arguments = dict[str, Any]


def run(vendor: EmarsysSandbox, name: str, arguments: Arguments) -> Any:
    """Every command takes "account" (default "demo"). KeyError: no such command.

    account       client, user (pairs of name and secret), permissions: make an account, or give it credentials
    seed          contacts: rows as in `EmarsysAccount.add_contacts`
    create_list   name
    state         sizes of everything
    members       list: its name; addresses
    switches      fields of `EmarsysSwitches` to change; answers with all of them
    """
    rest = dict(arguments)
    account_name = rest.pop("account", "demo")
    if name == "account":
        return _account(vendor, account_name, rest)
    account = vendor.accounts[account_name]
    match name:
        case "seed":
            return {"created": account.add_contacts(rest["contacts"])}
        case "create_list":
            return {"id": account.create_list(rest["name"]).id}
        case "state":
            return _state(account)
        case "members":
            found = account.list_named(rest["list"])
            return {"emails": [each.email for each in account.members(found.id)]}
        case "switches":
            return change_switches(account.switches, rest)
    raise KeyError(name)


def _account(vendor: EmarsysSandbox, name: str, arguments: Arguments) -> Any:
    pairs = {kind: tuple(arguments[kind]) for kind in ("client", "user") if kind in arguments}
    vendor.account(name, **pairs, permissions=arguments.get("permissions", ALL_PERMISSIONS))
    return {"name": name}


def _state(account: EmarsysAccount) -> Any:
    lists = [{"id": each.id, "name": each.name, "members": len(each.members)} for each in account.lists]
    return {"contacts": len(account.contacts), "lists": lists}
