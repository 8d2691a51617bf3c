"""What Klaviyo does with a file of profiles: each row makes or changes a profile and may add it to a list.

No consent is written and nobody is removed. https://developers.klaviyo.com/en/docs/import_profile_and_event_data_with_sftp
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from audience_assets.sandbox.klaviyo.errors import Problems
from audience_assets.sandbox.klaviyo.imports import RowFailed, refuse_as_told, upsert
from audience_assets.sandbox.klaviyo.profile_rows import check_profile
from audience_assets.sandbox.klaviyo.sftp_files import IngestResult

if TYPE_CHECKING:
    from audience_assets.sandbox.klaviyo.account import KlaviyoAccount

LIST = "List ID"
# Exact: a header in other letters is a custom property's name.
IDENTIFIERS = {"Email": "email", "PhoneNumber": "phone_number", "ExternalID": "external_id"}
ATTRIBUTES = {
    "FirstName": "first_name",
    "LastName": "last_name",
    "Organization": "organization",
    "Title": "title",
    "Locale": "locale",
}


def ingest(account: KlaviyoAccount, name: str, content: IO[bytes], at: float) -> IngestResult:
    """Carry a file out and keep its result with the account. The caller holds the account's lock."""
    result = IngestResult(name, at)
    account.sftp_results.append(result)
    content.seek(0)
    text = io.TextIOWrapper(content, encoding="utf-8", newline="")
    try:
        for line, row in _rows(text, result):
            result.rows += 1
            try:
                _import(account, row, result, at)
            except RowFailed as failure:
                result.fail(line, str(failure))
    except (UnicodeDecodeError, csv.Error) as error:
        result.refused = f"the file can't be read: {type(error).__name__}"
    finally:
        text.detach()
    return result


def _rows(text: IO[str], result: IngestResult) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(text, strict=True)
    header = next(reader, [])
    if len(set(header)) != len(header) or not set(header) & set(IDENTIFIERS):
        result.refused = "the header has a name twice, or none that identifies people"
        return
    for cells in reader:
        if len(cells) != len(header):
            result.rows += 1
            result.fail(reader.line_num, f"{len(cells)} cells under {len(header)} headers")
            continue
        yield reader.line_num, dict(zip(header, cells, strict=True))


def _import(account: KlaviyoAccount, row: Mapping[str, str], result: IngestResult, at: float) -> None:
    target = None
    if row.get(LIST):
        target = account.find_list(row[LIST])
        if target is None:
            raise RowFailed(f"The list {row[LIST]} does not exist.")
    attributes = _attributes(row, empty_clears=account.switches.sftp_empty_clears)
    problems = Problems()
    check_profile({"attributes": attributes}, "", problems)
    if problems.first is not None:
        raise RowFailed(problems.first)
    refuse_as_told(account, attributes)
    known = len(account.profiles)
    profile = upsert(account, {"attributes": attributes}, at, null_clears=True)
    made = len(account.profiles) > known
    result.created += made
    result.updated += not made
    if target is not None:
        target.add(profile.number, at)


def _attributes(row: Mapping[str, str], *, empty_clears: bool) -> dict[str, Any]:
    """A row as the attributes of a profile; what no header of Klaviyo's names is a custom property."""
    attributes: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for header, cell in row.items():
        if header == LIST or (not cell and (header in IDENTIFIERS or not empty_clears)):
            continue
        if header in IDENTIFIERS:
            attributes[IDENTIFIERS[header]] = cell
        elif header in ATTRIBUTES:
            attributes[ATTRIBUTES[header]] = cell or None
        else:
            properties[header] = cell or None
    return {**attributes, **({"properties": properties} if properties else {})}
