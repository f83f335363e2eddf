"""Lines about people: one of a CSV, as any spreadsheet writes it, or one object of a list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from catalog.services.findings import Findings
from kernel.errors import Invalid
from kernel.user_names import prepared

MOST = 20_000
FIELDS = ("username", "first_name", "last_name", "email", "active", "teams")
_MEANS = {
    **dict.fromkeys(("user", "user_name", "login", "account"), "username"),
    **dict.fromkeys(("mail", "e_mail", "email_address"), "email"),
    **dict.fromkeys(("given_name", "firstname", "givenname"), "first_name"),
    **dict.fromkeys(("family_name", "surname", "lastname", "familyname"), "last_name"),
    **dict.fromkeys(("team", "groups", "memberships", "member_of"), "teams"),
}
_END = "\x01end of the CSV\x01"
_YES, _NO = {"yes", "true", "1", "y", "active", "x"}, {"no", "false", "0", "n", "inactive"}


@dataclass(frozen=True, slots=True)
class PersonLine:
    """What is said of one person; what is None is not said. `pointer` and `number` say where."""

    pointer: str
    number: int
    username: str
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    active: bool | None = None
    teams: tuple[str, ...] = ()


def from_csv(data: bytes, found: Findings) -> list[PersonLine]:
    """One line for each person; the first line names the columns. Raises Invalid `people.csv` for what is no CSV of
    people."""
    text = _decoded(data)
    first, _, rest = text.partition("\n")
    if said := re.fullmatch(r"sep=(.)\r?", first, re.IGNORECASE):
        text, delimiter, skipped = rest, said[1], 1
    else:
        delimiter, skipped = max(",;\t|", key=re.sub(r'"[^"]*"', "", first).count), 0
    reader = csv.reader(io.StringIO(f"{text}\n{_END}\n", newline=""), delimiter=delimiter)
    try:
        columns = [_column(name) for name in next(reader, [])]
        if "username" not in columns and "email" not in columns:
            raise Invalid(
                "people.csv", f"The first line names the columns: username or email, and of {', '.join(FIELDS)} others."
            )
        for name in dict.fromkeys(columns):
            if name not in FIELDS:
                found.add(
                    "/csv", f"The column {name[:60]!r} is not read. Columns: {', '.join(FIELDS)}.", line=1 + skipped
                )
            elif columns.count(name) > 1:
                found.add("/csv", f"Two columns are {name!r}.", line=1 + skipped)
        lines: list[PersonLine] = []
        began = 1
        for cells in reader:
            if cells == [_END]:
                return lines
            if any(_END in cell for cell in cells):
                break
            began, line = reader.line_num, reader.line_num + skipped
            if len(columns) < len(cells) and any(cell.strip() for cell in cells[len(columns) :]):
                said_cells = f"The line has {len(cells)} cells, and the first line names {len(columns)} columns."
                found.add("/csv", f"{said_cells} A text with the delimiter in it stands in quotes.", line=line)
            if any(cell.strip() for cell in cells):
                _require_few(len(lines))
                value = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
                lines.append(_line(value, "/csv", reader.line_num + skipped, found, said=set(columns)))
    except csv.Error as error:
        raise Invalid("people.csv", f"Line {reader.line_num + skipped} of the CSV cannot be read: {error}.") from None
    raise Invalid(
        "people.csv",
        f"Below line {began + skipped}, a quotation mark opens a cell and none closes it, so nobody knows where that "
        "line ends.",
    )


def from_objects(values: Sequence[Any], found: Findings, *, base: str = "/people") -> list[PersonLine]:
    """One line for each object of a list."""
    _require_few(len(values) - 1)
    lines = []
    for n, value in enumerate(values):
        pointer = f"{base}/{n}"
        if not isinstance(value, dict):
            found.add(pointer, "Give an object.", line=n + 1)
            continue
        for name in value:
            if name not in FIELDS:
                found.add(f"{pointer}/{str(name)[:60]}", f"Not read. Fields: {', '.join(FIELDS)}.", line=n + 1)
        lines.append(_line(value, pointer, n + 1, found, said=set(value)))
    return lines


def _require_few(so_far: int) -> None:
    if so_far >= MOST:
        raise Invalid("people.too_many", f"More than {MOST:,} people at once. Send them in parts.")


def _decoded(data: bytes) -> str:
    """UTF-8 or UTF-16 by its mark, or the code page of a spreadsheet."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        ways = ["utf-16"]
    else:
        ways = ["utf-8-sig", "cp1252"]
    for way in ways:
        try:
            text = data.decode(way)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise Invalid("people.csv", "This is no text that can be read. Save it as CSV in UTF-8.")


def _column(name: str) -> str:
    plain = re.sub(r"[\s-]+", "_", name.strip().lower())
    return _MEANS.get(plain, plain)


def _line(value: Mapping[str, Any], pointer: str, number: int, found: Findings, *, said: set[str]) -> PersonLine:
    email = _text(value, "email", 254, pointer, number, found) if "email" in said else None
    username = prepared(_text(value, "username", 150, pointer, number, found) or email or "")[:150]
    if not username and not any(
        one["pointer"] == f"{pointer}/username" and one["line"] == number for one in found.items
    ):
        found.add(f"{pointer}/username", "Every line has a username, or an email that stands for it.", line=number)
    if email:
        try:
            validate_email(email)
        except ValidationError:
            found.add(f"{pointer}/email", f"{email[:80]!r} is no address of mail.", line=number)
    return PersonLine(
        pointer=pointer,
        number=number,
        username=username,
        first_name=_text(value, "first_name", 150, pointer, number, found) if "first_name" in said else None,
        last_name=_text(value, "last_name", 150, pointer, number, found) if "last_name" in said else None,
        email=email,
        active=_flag(value.get("active"), f"{pointer}/active", number, found),
        teams=tuple(_teams(value.get("teams"), f"{pointer}/teams", number, found)),
    )


def _text(value: Mapping[str, Any], name: str, longest: int, pointer: str, number: int, found: Findings) -> str:
    given = value.get(name)
    if given is None:
        return ""
    if not isinstance(given, str) or any(ord(letter) < 32 or ord(letter) == 127 for letter in given):
        found.add(f"{pointer}/{name}", "Enter a text of one line.", line=number)
        return ""
    text = given.strip()
    if len(text) > longest:
        found.add(f"{pointer}/{name}", f"Enter at most {longest} characters. This has {len(text)}.", line=number)
    return text[:longest]


def _flag(value: Any, pointer: str, number: int, found: Findings) -> bool | None:
    if value is None or value == "" or isinstance(value, bool):
        return value if isinstance(value, bool) else None
    word = str(value).strip().lower()
    if word in _YES | _NO:
        return word in _YES
    found.add(pointer, f"Enter yes or no, not {word[:40]!r}.", line=number)
    return None


def _teams(value: Any, pointer: str, number: int, found: Findings) -> Iterator[str]:
    several = re.split(r"[,;|\s]+", value) if isinstance(value, str) else value if value is not None else []
    if not isinstance(several, list | tuple) or not all(isinstance(one, str) for one in several):
        found.add(pointer, "Give keys of teams, with commas between or as a list.", line=number)
        return
    yield from dict.fromkeys(one.strip() for one in several if one.strip())
