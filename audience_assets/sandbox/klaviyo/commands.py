"""What a test in another process may ask of the Klaviyo twin, by POST to `/_sandbox/klaviyo/<command>`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.klaviyo.account import AccountSettings, KlaviyoAccount
from audience_assets.sandbox.switching import change_switches

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.vendor import KlaviyoSandbox

Arguments = dict[str, Any]


def run(vendor: KlaviyoSandbox, name: str, arguments: Arguments) -> Any:
    """Every command takes "account" (default "demo"); the others are named at each command."""
    rest = dict(arguments)
    account_name = rest.pop("account", "demo")
    if name == "account":
        return _account(vendor, account_name, rest)
    command = COMMANDS[name]
    return command(vendor.accounts[account_name], rest)


def _account(vendor: KlaviyoSandbox, name: str, arguments: Arguments) -> Any:
    """key, scopes, settings: make an account or give it another key."""
    given = arguments.get("settings")
    settings = None
    if given is not None:
        settings = AccountSettings(**given | {"sms_regions": frozenset(given.get("sms_regions", ()))})
    scopes = {"scopes": arguments["scopes"]} if "scopes" in arguments else {}
    account = vendor.account(name, key=arguments.get("key"), settings=settings, **scopes)
    return {"id": account.id, "name": account.name}


def _seed(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """profiles: rows as in `KlaviyoAccount.add_profiles`."""
    return {"created": account.add_profiles(arguments["profiles"])}


def _create_list(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """name, opt_in_process."""
    return {"id": account.create_list(**arguments).id}


def _state(account: KlaviyoAccount, _: Arguments) -> Any:
    """Sizes of everything."""
    lists = [
        {"id": each.id, "name": each.name, "opt_in_process": each.opt_in_process, "members": len(each)}
        for each in account.lists
    ]
    return {
        "id": account.id,
        "profiles": account.contacts,
        "lists": lists,
        "pending": len(account.pending),
        "waiting": len(account.agenda),
    }


def _members(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """list: its id. Identifiers of everybody in it."""
    return [
        {"id": p.id, "email": p.email, "phone_number": p.phone_number, "external_id": p.external_id}
        for p in account.members(arguments["list"])
    ]


def _consent(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, channel."""
    state = account.consent(**arguments)
    return None if state is None else state._asdict()


def _audit(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """since: how many entries to leave out at the start."""
    return [change._asdict() for change in account.audit[int(arguments.get("since", 0)) :]]


def _decide(decide: Callable[..., None], arguments: Arguments) -> Any:
    moment = arguments.pop("at", None)
    decide(**arguments, at=datetime.fromisoformat(moment) if moment else None)
    return {}


def _opt_out(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, channel, at (ISO)."""
    return _decide(account.opt_out, arguments)


def _opt_in(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, channel, at (ISO)."""
    return _decide(account.opt_in, arguments)


def _suppress(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, reason, at (ISO)."""
    return _decide(account.suppress, arguments)


def _confirm(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, list_id."""
    return {"confirmed": account.confirm(**arguments)}


def _merge(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """address, into."""
    account.merge(**arguments)
    return {}


def _finish_jobs(account: KlaviyoAccount, _: Arguments) -> Any:
    account.finish_jobs()
    return {}


def _switches(account: KlaviyoAccount, arguments: Arguments) -> Any:
    """Any of `KlaviyoSwitches`, for all accounts; answers with all of them."""
    return change_switches(account.switches, arguments)


COMMANDS: dict[str, Callable[[KlaviyoAccount, Arguments], Any]] = {
    "seed": _seed,
    "create-list": _create_list,
    "state": _state,
    "members": _members,
    "consent": _consent,
    "audit": _audit,
    "opt-out": _opt_out,
    "opt-in": _opt_in,
    "suppress": _suppress,
    "confirm": _confirm,
    "merge": _merge,
    "finish-jobs": _finish_jobs,
    "switches": _switches,
}
