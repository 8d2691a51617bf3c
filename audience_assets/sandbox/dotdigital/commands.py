"""What a test in another process may ask of the Dotdigital twin, by POST to `/_sandbox/dotdigital/<command>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.dotdigital.account import AccountSettings, DotdigitalAccount
from audience_assets.sandbox.switching import change_switches

if TYPE_CHECKING:
    from audience_assets.sandbox.dotdigital.vendor import DotdigitalSandbox

Arguments = dict[str, Any]


def run(vendor: DotdigitalSandbox, name: str, arguments: Arguments) -> Any:
    """Every command takes "account" (default "demo"); the others are named at each command."""
    rest = dict(arguments)
    account_name = rest.pop("account", "demo")
    if name == "account":
        return _account(vendor, account_name, rest)
    command = COMMANDS[name]
    return command(vendor.accounts[account_name], rest)


def _account(vendor: DotdigitalSandbox, name: str, arguments: Arguments) -> Any:
    """user, password, scheme, settings: make an account or give it another API user."""
    given = arguments.pop("settings", None)
    settings = AccountSettings(**given) if given is not None else None
    account = vendor.account(name, settings=settings, **arguments)
    return {"id": account.id, "name": account.name}


def _seed(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """contacts: rows as in `DotdigitalAccount.add_contacts`."""
    return {"ids": account.add_contacts(arguments["contacts"])}


def _create_list(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """name, visibility."""
    return {"id": account.create_list(**arguments).id}


def _create_segment(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """name: no list may be called so any more."""
    account.segments.add(arguments["name"])
    return {}


def _state(account: DotdigitalAccount, _: Arguments) -> Any:
    """Sizes of everything."""
    lists = [{"id": e.id, "name": e.name, "visibility": e.visibility, "members": len(e)} for e in account.lists]
    return {"id": account.id, "contacts": len(account.contacts), "lists": lists, "jobs": len(account.open_jobs())}


def _members(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """list: its id. Identifiers of everybody in it who did not unsubscribe."""
    return [{"id": c.id, "email": c.email, "mobileNumber": c.mobile} for c in account.members(arguments["list"])]


def _audit(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """since: how many entries to leave out at the start."""
    return [change._asdict() for change in account.audit[int(arguments.get("since", 0)) :]]


def _opt_out(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """address, channel, status."""
    account.opt_out(**arguments)
    return {}


def _leave_list(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """address, list_id."""
    account.leave_list(**arguments)
    return {}


def _come_back(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """address, list_id."""
    account.come_back(**arguments)
    return {}


def _finish_jobs(account: DotdigitalAccount, _: Arguments) -> Any:
    account.finish_jobs()
    return {}


def _switches(account: DotdigitalAccount, arguments: Arguments) -> Any:
    """Any of `DotdigitalSwitches`, for all accounts; answers with all of them."""
    return change_switches(account.switches, arguments)


COMMANDS: dict[str, Callable[[DotdigitalAccount, Arguments], Any]] = {
    "seed": _seed,
    "create-list": _create_list,
    "create-segment": _create_segment,
    "state": _state,
    "members": _members,
    "audit": _audit,
    "opt-out": _opt_out,
    "leave-list": _leave_list,
    "come-back": _come_back,
    "finish-jobs": _finish_jobs,
    "switches": _switches,
}
