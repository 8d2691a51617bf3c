"""The page, and commands over HTTP for tests whose sandbox runs in another process.

GET    /_sandbox/requests?count=100      newest calls, without bodies
DELETE /_sandbox/requests                forget them
GET    /_sandbox/clock                   {"now": seconds}
POST   /_sandbox/clock                   {"advance": seconds}; a virtual clock only
GET    /_sandbox/faults                  the rules in force
POST   /_sandbox/faults                  {"action": ..., "endpoint": ..., "calls": [1], ...} as in faults.Fault
DELETE /_sandbox/faults                  drop them
POST   /_sandbox/<vendor>/<command>      a command of the vendor with its arguments
GET    /_sandbox/view/<vendor>/<path>    a view of the vendor, as a page
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from audience_assets.sandbox import page
from audience_assets.sandbox.clock import VirtualClock
from audience_assets.sandbox.faults import Action, Fault
from audience_assets.sandbox.log import LoggedRequest
from audience_assets.sandbox.messages import Response

if TYPE_CHECKING:
    from audience_assets.sandbox.server import Sandbox

FAULT_FIELDS = {"action", "endpoint", "calls", "probability", "times", "seconds", "status", "content", "retry_after"}


class Refused(Exception):
    """A command that can't be done; the text says why."""


class Control:
    """Answers everything that is not a vendor's."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def answer(self, method: str, path: str, query: str, body: bytes) -> Response:
        parameters = dict(parse_qsl(query))
        if path == "/":
            return _html(page.overview(self._sandbox))
        parts = path.removeprefix("/_sandbox").strip("/").split("/")
        if parts[0] == "view":
            return self._view(parts[1:], parameters)
        try:
            arguments = orjson.loads(body) if body else {}
            return _json(200, self._command(method, parts, parameters, arguments))
        except KeyError as error:
            return _json(404, {"error": f"nothing is called {error.args[0]!r} here"})
        except LookupError as error:
            return _json(404, {"error": str(error)})
        except (Refused, TypeError, ValueError) as error:
            return _json(400, {"error": str(error)})

    def _command(self, method: str, parts: list[str], parameters: dict[str, str], arguments: Any) -> Any:
        sandbox = self._sandbox
        match method, parts:
            case "GET", ["requests"]:
                return [_summary(r) for r in sandbox.requests.newest(int(parameters.get("count", "100")))]
            case "DELETE", ["requests"]:
                return sandbox.requests.clear()
            case "GET", ["clock"]:
                return {"now": sandbox.clock.now()}
            case "POST", ["clock"]:
                if not isinstance(sandbox.clock, VirtualClock):
                    raise Refused("the sandbox runs on the real clock")
                return {"now": sandbox.clock.advance(float(arguments["advance"]))}
            case "GET", ["faults"]:
                return [_rule(rule) for rule in sandbox.faults.rules()]
            case "POST", ["faults"]:
                return _rule(sandbox.faults.add(_fault(arguments)))
            case "DELETE", ["faults"]:
                return sandbox.faults.clear()
            case "POST", [vendor, command]:
                return sandbox.vendors[vendor].command(command, arguments)
        raise KeyError("/".join(parts))

    def _view(self, parts: list[str], parameters: dict[str, str]) -> Response:
        vendor = self._sandbox.vendors.get(parts[0]) if parts else None
        view = vendor.view("/".join(parts[1:]), parameters) if vendor else None
        if vendor is None or view is None:
            return Response(404, b"nothing here", {"Content-Type": "text/plain"})
        return _html(page.of_vendor(vendor, view))


def _fault(arguments: dict[str, Any]) -> Fault:
    unknown = set(arguments) - FAULT_FIELDS
    if unknown:
        raise Refused(f"a fault has no {', '.join(sorted(unknown))}")
    action = Action(arguments["action"])
    if action in (Action.HOOK_BEFORE, Action.HOOK_AFTER):
        raise Refused("hooks can't travel over HTTP")
    return Fault(**{**arguments, "action": action})


def _rule(fault: Fault) -> dict[str, Any]:
    shown = {name: getattr(fault, name) for name in sorted(FAULT_FIELDS)}
    return shown | {"calls": sorted(fault.calls), "seen": fault.seen, "hits": fault.hits}


def _summary(entry: LoggedRequest) -> dict[str, Any]:
    hidden = {"headers", "body", "answer"}
    return {name: getattr(entry, name) for name in LoggedRequest.__slots__ if name not in hidden}


def _json(status: int, value: Any) -> Response:
    return Response(status, orjson.dumps(value), {"Content-Type": "application/json"})


def _html(text: str) -> Response:
    return Response(200, text.encode(), {"Content-Type": "text/html; charset=utf-8"})
