"""What is no mistake but may do what nobody means: said by `check` and `doctor`, and nothing is stopped for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from audience_assets.destinations.base import DestinationType
from audience_assets.project.campaign_cautions import campaign_remarks
from audience_assets.project.project import Project

SHOWN = 12


@dataclass(frozen=True, slots=True)
class Caution:
    """One such trap, and the activations that it is about; the message names the first dozen."""

    check: str
    activations: tuple[str, ...]
    message: str


def find_cautions(project: Project, types: Mapping[str, DestinationType]) -> list[Caution]:
    """Traps in a checked project. Destinations of one name of the account, or of the same secrets, are one account."""
    return [*_shared_opt_outs(project, types), *_different_identifiers(project, types), *_campaigns(project, types)]


def _campaigns(project: Project, types: Mapping[str, DestinationType]) -> Iterator[Caution]:
    for remark in campaign_remarks(project, types):
        lists = tuple(each.name for each in project.lists_of(remark.campaign))
        yield Caution(remark.check, lists, remark.message)


def _shared_opt_outs(project: Project, types: Mapping[str, DestinationType]) -> Iterator[Caution]:
    """Lists of one account that share a channel, where leaving one may opt people out of the others."""
    accounts: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name, activation in project.effective.items():
        kind = types[activation.destination_type]
        spec = kind.services[activation.service]
        if spec.shared_opt_out is not None:
            account = (_account(project, activation.destination, kind), spec.shared_opt_out)
            for channel in spec.channels(spec.options_model.model_validate(activation.options)):
                accounts.setdefault(account, {}).setdefault(channel, []).append(name)
    for (_, why), channels in accounts.items():
        shared = {channel: names for channel, names in channels.items() if len(names) > 1}
        if shared:
            names = tuple(dict.fromkeys(name for each in shared.values() for name in each))
            yield Caution("shared opt-out", names, f"{_listed(names)} share an account and {', '.join(shared)}. {why}")


def _different_identifiers(project: Project, types: Mapping[str, DestinationType]) -> Iterator[Caution]:
    """Lists of one account that know people by different identifiers, where that makes two contacts of one person."""
    accounts: dict[tuple[str, str], dict[tuple[str, ...], list[str]]] = {}
    for name, activation in project.effective.items():
        kind = types[activation.destination_type]
        spec = kind.services[activation.service]
        if spec.one_identifier is not None:
            account = (_account(project, activation.destination, kind), spec.one_identifier)
            chosen = tuple(spec.identifiers(spec.options_model.model_validate(activation.options)))
            accounts.setdefault(account, {}).setdefault(chosen, []).append(name)
    for (_, why), choices in accounts.items():
        if len(choices) > 1:
            told = "; ".join(f"{_listed(names)} by {', '.join(chosen)}" for chosen, names in choices.items())
            names = tuple(name for each in choices.values() for name in each)
            message = f"One account is sent people by different identifiers: {told}. {why}"
            yield Caution("different identifiers", names, message)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return f"{', '.join(names[:SHOWN])} and {more} more" if more > 0 else ", ".join(names)


def _account(project: Project, destination: str, kind: DestinationType) -> str:
    settings = project.destinations[destination].settings
    named = [settings["account"]] if settings.get("account") else [settings.get(field) for field in kind.secret_fields]
    return json.dumps([kind.name, *named], sort_keys=True)
