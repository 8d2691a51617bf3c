"""The sandbox's page: plain HTML, no script, refreshed by the browser."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from audience_assets.sandbox.clock import as_datetime
from audience_assets.sandbox.log import LoggedRequest
from audience_assets.sandbox.vendor import Cell, SandboxVendor, Table, View

if TYPE_CHECKING:
    from audience_assets.sandbox.server import Sandbox

REFRESH_SECONDS = 5
SHOWN_REQUESTS = 50

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 16%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; opacity: .75; } a { color: inherit; text-underline-offset: .2em; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; opacity: .7; } th, td { padding: .3rem .9rem .3rem 0;
border-bottom: 1px solid var(--line); vertical-align: top; } td { overflow-wrap: anywhere; }
nav { display: flex; gap: 1.5rem; margin: .6rem 0; } .bad { color: #c0392b; font-weight: 600; }
.none { opacity: .6; padding: .4rem 0; }
"""


def overview(sandbox: Sandbox) -> str:
    """Every vendor's overview and the newest requests."""
    sections = [f"<p>{as_datetime(sandbox.clock.now()):%Y-%m-%d %H:%M:%S} UTC, {sandbox.url}</p>"]
    for vendor in sandbox.vendors.values():
        view = vendor.view("", {})
        if view is not None:
            sections += [_table(table, vendor) for table in view.tables]
    sections.append(_requests(sandbox.requests.newest(SHOWN_REQUESTS), len(sandbox.requests)))
    return _document("Sandbox", "".join(sections))


def of_vendor(vendor: SandboxVendor, view: View) -> str:
    """One view of one vendor."""
    back = f'<nav><a href="/">Sandbox</a><span>{escape(vendor.title)}</span></nav>'
    return _document(view.title, back + "".join(_table(table, vendor) for table in view.tables))


def _document(title: str, body: str) -> str:
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )


def _table(table: Table, vendor: SandboxVendor) -> str:
    base = f"/_sandbox/view/{vendor.name}/"
    rows = [[_cell(cell, base) for cell in row] for row in table.rows]
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    steps = [
        f'<a href="{escape(base + path)}">{text}</a>'
        for path, text in ((table.previous, "Previous"), (table.following, "Next"))
        if path is not None
    ]
    navigation = f"<nav>{''.join(steps)}</nav>" if steps else ""
    return f"<h2>{escape(table.title)}</h2>{note}{_rows(table.columns, rows)}{navigation}"


def _cell(cell: str | Cell, base: str) -> str:
    if isinstance(cell, Cell):
        return f'<a href="{escape(base + cell.path)}">{escape(cell.text)}</a>'
    return escape(cell)


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return '<div class="none">none yet</div>'
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _requests(entries: Sequence[LoggedRequest], total: int) -> str:
    columns = ("Time", "Account", "Call", "Path", "Status", "Rows", "ms", "Fault")
    rows = [
        [
            f"{as_datetime(entry.at):%H:%M:%S}",
            escape(entry.account),
            escape(entry.endpoint),
            escape(f"{entry.method} {entry.path}"),
            _status(entry.status),
            "" if entry.rows is None else f"{entry.rows:,}",
            f"{entry.milliseconds:.1f}",
            escape(entry.fault),
        ]
        for entry in entries
    ]
    note = f"<p>the newest {len(rows)} of {total:,}</p>" if total > len(rows) else ""
    return f"<h2>Requests</h2>{note}{_rows(columns, rows)}"


def _status(status: int) -> str:
    text = str(status) if status else "reset"
    return f'<span class="bad">{text}</span>' if status == 0 or status >= 400 else text
