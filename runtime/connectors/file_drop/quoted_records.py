"""Records whose fields may stand in quotation marks, by any delimiter and terminator: within them both are text."""

from __future__ import annotations

from runtime.connectors.drop import Unreadable


class Quoted:
    """Puts the parts between terminators together to whole records, and splits these. `held` is what of the present
    record came, while one of its quoted fields goes on; `longest` is the most characters of one."""

    def __init__(self, delimiter: str, quote: str, longest: int) -> None:
        self.delimiter, self.quote, self.longest = delimiter, quote, longest
        self.held: str | None = None
        self._parts: list[str] = []
        self._size = 0

    def whole(self, part: str, terminator: str) -> str | None:
        """The record that ends with this part; None where a quoted field goes on behind it. Raises Unreadable for a
        record that is too long."""
        if self.held is None and self.quote not in part:
            return part
        self._parts.append(part)
        self._size += len(part) + len(terminator)
        if self._size > self.longest:
            raise Unreadable(
                f"a quotation mark opens a field and none closes it within {self.longest} characters. Say `quote: ''` "
                "where the mark is part of the text"
            )
        if self.held is not None and part.count(self.quote) % 2 == 0:
            return None  # the field is open before and after it
        text = terminator.join(self._parts)
        if self._is_open(text):
            self.held = self._parts[0]
            return None
        self.held, self._parts, self._size = None, [], 0
        return text

    def fields(self, record: str) -> list[str] | str:
        """The fields of a whole record, or why it cannot be read."""
        if self.quote not in record:
            return record.split(self.delimiter)
        made, at = list[str](), 0
        while True:
            if not record.startswith(self.quote, at):
                end = record.find(self.delimiter, at)
                made.append(record[at:] if end < 0 else record[at:end])
            else:
                closing = self._closing(record, at)
                end = closing + 1
                made.append(record[at + 1 : closing].replace(self.quote * 2, self.quote))
                if closing < 0:
                    return "a quotation mark opens a field and none closes it"
                if end == len(record):
                    end = -1
                elif not record.startswith(self.delimiter, end):
                    return f"{self.delimiter!r} is expected behind the {self.quote} that closes field {len(made)}"
            if end < 0:
                return made
            at = end + len(self.delimiter)

    def _closing(self, record: str, at: int) -> int:
        """Where the quote closes that opens at `at`; two of them are one that is meant. -1 where none does."""
        found = record.find(self.quote, at + 1)
        while found >= 0 and record.startswith(self.quote, found + 1):
            found = record.find(self.quote, found + 2)
        return found

    def _is_open(self, text: str) -> bool:
        at = 0
        while True:
            if text.startswith(self.quote, at):
                closing = self._closing(text, at)
                if closing < 0:
                    return True
                at = closing + 1
            end = text.find(self.delimiter, at)
            if end < 0:
                return False
            at = end + len(self.delimiter)
