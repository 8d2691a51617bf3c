"""Iterable's error answers: `{"msg", "code", "params"}` with a status, or something that is no JSON."""

from __future__ import annotations

from typing import Any

import orjson

from audience_assets.sandbox.messages import Response

NOT_FOUND_PAGE = (
    b"<!DOCTYPE html><html><head><title>Action not found</title></head>"
    b"<body><h1>Action not found</h1><p>For request</p></body></html>"
)
SERVER_ERROR = "An error occurred. Please try again later. If problem persists, please contact your CSM"


class Refusal(Exception):
    """The call is refused and nothing of it is done."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def envelope(status: int, code: str, msg: str = "", params: dict[str, Any] | None = None) -> Response:
    """An answer in Iterable's usual form."""
    return Response(status, orjson.dumps({"msg": msg, "code": code, "params": params}))


def refusal(status: int, code: str, msg: str, params: dict[str, Any] | None = None) -> Refusal:
    return Refusal(envelope(status, code, msg, params))


def bad_json(path: str, problems: dict[str, Any]) -> Refusal:
    """One malformed element fails the whole request; `problems` are told by JSON path."""
    return refusal(400, "BadJsonBody", f"[{path}] Invalid JSON body", problems)


def missing(name: str) -> dict[str, Any]:
    return {f"obj.{name}": [{"msg": "error.path.missing", "args": []}]}


def no_such_route() -> Response:
    return Response(404, NOT_FOUND_PAGE, {"Content-Type": "text/html; charset=utf-8"})


def server_error(status: int) -> Response:
    return envelope(status, "GenericError", SERVER_ERROR)


def unknown_list(project_id: int, list_id: int) -> Refusal:
    """As subscribe and unsubscribe say it: the code is Success all the same."""
    return refusal(
        400, "Success", f"error.lists.invalidListId({list_id})", {"projectId": project_id, "listId": list_id}
    )


def unknown_list_read(project_id: int, list_id: int) -> Refusal:
    """As the reading endpoints say it."""
    params = {"projectId": str(project_id), "listId": str(list_id)}
    return refusal(400, "BadParams", "Invalid email list id", params)
