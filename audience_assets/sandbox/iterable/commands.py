"""What a test in another process may ask of the Iterable twin, by POST to `/_sandbox/iterable/<command>`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from audience_assets.sandbox.iterable.project import IterableProject
from audience_assets.sandbox.switching import change_switches

if TYPE_CHECKING:
    from audience_assets.sandbox.iterable.vendor import IterableSandbox

Arguments = dict[str, Any]


def run(vendor: IterableSandbox, name: str, arguments: Arguments) -> Any:
    """Every command takes "project" (default "demo"); the others are named at each command."""
    rest = dict(arguments)
    project_name = rest.pop("project", "demo")
    if name == "project":
        # key, project_type, writes: make a project or give it another key.
        made = vendor.project(project_name, **rest)
        return {"id": made.id, "name": made.name, "type": made.type}
    command = COMMANDS[name]
    return command(vendor.projects[project_name], rest)


def _seed(project: IterableProject, arguments: Arguments) -> Any:
    """users: rows as in `IterableProject.add_users`."""
    return {"created": project.add_users(arguments["users"])}


def _create_list(project: IterableProject, arguments: Arguments) -> Any:
    """name, list_type."""
    return {"id": project.create_list(**arguments).id}


def _state(project: IterableProject, _: Arguments) -> Any:
    """Sizes of everything."""
    lists = [{"id": each.id, "name": each.name, "type": each.list_type, "members": len(each)} for each in project.lists]
    return {
        "id": project.id,
        "type": project.type,
        "users": len(project.users),
        "lists": lists,
        "waiting": len(project.agenda),
    }


def _members(project: IterableProject, arguments: Arguments) -> Any:
    """list: its id. Identifiers of everybody in it."""
    return [{"email": user.email, "userId": user.user_id} for user in project.members(arguments["list"])]


def _data(project: IterableProject, arguments: Arguments) -> Any:
    """identifier: whose data fields to tell."""
    return project.data(arguments["identifier"])


def _opt_out(project: IterableProject, arguments: Arguments) -> Any:
    """identifier."""
    return project.opt_out(arguments["identifier"])


def _delete(project: IterableProject, arguments: Arguments) -> Any:
    """identifier."""
    return project.delete(arguments["identifier"])


def _forget(project: IterableProject, arguments: Arguments) -> Any:
    """identifier."""
    return project.forget(arguments["identifier"])


def _finish(project: IterableProject, _: Arguments) -> Any:
    return project.finish()


def _switches(project: IterableProject, arguments: Arguments) -> Any:
    """Any of `IterableSwitches`, for all projects; answers with all of them."""
    return change_switches(project.switches, arguments)


COMMANDS: dict[str, Callable[[IterableProject, Arguments], Any]] = {
    "seed": _seed,
    "create-list": _create_list,
    "state": _state,
    "members": _members,
    "data": _data,
    "opt-out": _opt_out,
    "delete": _delete,
    "forget": _forget,
    "finish": _finish,
    "switches": _switches,
}
