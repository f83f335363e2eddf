"""A folder of an SFTP server that others put files into: claim, fetch, archive, quarantine, with the same folders and
the same rules as one of this machine (`drop.DropFolder`), and the same promise: a file is claimed by one rename, is
archived only behind the cursor that comes back, and whatever lies in `work` is read first. So a reader that is killed,
or whose connection is cut, loses nothing, and what it had begun is read again.

What is read is a copy on this machine. It counts as the file where the server says the same of the file before and
after it was fetched, and as many bytes came as it says.
"""

from __future__ import annotations

import errno
import hashlib
import posixpath
import urllib.parse
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runtime.connectors import file_names
from runtime.connectors.drop import ClaimedFile, Unreadable, stamp_of
from runtime.connectors.file_moves import of_all_files
from runtime.connectors.file_names import shown, why
from runtime.connectors.file_proofs import LARGEST, contradiction
from runtime.connectors.incoming_files import IncomingRules, few
from runtime.connectors.protocols import CallContext, CallError, Health, Retriable, health_of
from runtime.connectors.sftp_files import RemoteState, SftpFiles
from runtime.connectors.sftp_incoming import SftpIncoming
from runtime.connectors.sftp_session import SftpSession, pinned_keys
from runtime.connectors.sftp_settings import SftpPlace
from runtime.connectors.spools import Spool
from runtime.connectors.unpacking import packing_of

_LONGEST = 255 - 48  # bytes of a stem: servers do not say how long a name may be


@dataclass(frozen=True, slots=True)
class FetchedFile(ClaimedFile):
    """`path` is the copy on this machine; `look` raises Unreadable where the file on the server is another by now."""

    look: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)

    def verify(self) -> None:
        self.look()


class SftpFolder:
    """As `drop.DropFolder`, on a server. `place` says where; `address` is that of the system, `trust` what the endpoint
    names for trust."""

    def __init__(self, address: str, place: SftpPlace, rules: IncomingRules, trust: object = None) -> None:
        self.rules = rules
        path = urllib.parse.unquote_to_bytes(urllib.parse.urlsplit(address).path).decode("utf-8", "surrogateescape")
        self.root, self.incoming = place.below(path)
        self.session = SftpSession(address, pinned_keys(place.host_keys, trust))
        self.remote, self.spool = SftpFiles(self.session), Spool()
        self.work, self.archive, self.quarantine, self.waiting, names = (
            posixpath.join(self.root, one) for one in ("work", "archive", "quarantine", "waiting", "names.txt")
        )
        ours = frozenset({self.work, self.archive, self.quarantine, self.waiting, names})
        self.names = names
        self.files = SftpIncoming(self.remote, self.incoming, self.work, rules, ours=ours)
        self.again: list[str] | None = None  # what waited when this reader began, and was not read again yet
        self.ready = deque[tuple[str, RemoteState]]()
        self.copies: dict[str, Path] = {}  # by the name in `work`
        self.day = ""  # the folder of the archive that is there
        self.aside: list[str] = []
        self.notes: list[str] = []

    def use(self, call: CallContext) -> None:
        self.session.use(call)

    def close(self) -> None:
        self.session.close()
        self.spool.close()

    def check(self) -> Health:
        """Reached, signed in, the folders there or made, and a file can be renamed from one to the other."""
        try:
            self.prepare()
            begin, end = (posixpath.join(one, ".tillgate-check") for one in (self.incoming, self.work))
            self.remote.write(begin, b"")
            try:
                self.remote.rename(begin, end)
            except OSError as error:
                self.remote.remove(begin)
                return Health(
                    False, f"{shown(self.incoming)} cannot be renamed from ({why(error)}); a claim is a rename"
                )
            self.remote.remove(end)
            complete = len(self.files.complete())
        except CallError as error:
            return health_of(error)
        except OSError as error:
            return Health(False, f"{file_names.said(error)}; give the account of the runtime these rights")
        if self.files.troubles:
            return Health(False, few(list(self.files.troubles.values()), "; "))
        return Health(True, f"{complete} files are waiting")

    def offered(self) -> list[str]:
        try:
            return self.files.offered()
        except OSError as error:
            raise Retriable(file_names.said(error)) from None

    def prepare(self, *, known: bool = False) -> None:
        """Makes what is missing below the root before the first run; behind one that was here (`known`) it was taken
        away. Raises FileNotFoundError."""
        inside = posixpath.dirname(self.incoming) == self.root and not known
        for folder in (self.root, *(() if inside else (self.incoming,)), *((self.work,) if known else ())):
            found = self.remote.state(folder)
            if found is None or not (found.is_folder or not found.mode):
                raise FileNotFoundError(errno.ENOENT, "is not there, or no folder; make it", folder)
        for folder in (self.incoming, self.work, self.archive, self.quarantine):
            self.remote.make_folder(folder)

    def claim(self, *, known: bool = False) -> ClaimedFile | None:
        """The oldest file: one left in `work` first, then new ones, at last those that wait. Every question is a way to
        the server and back, so folders are looked at when the reader begins, and `work` with each listing."""
        if self.again is None:
            self.prepare(known=known)
            self.again = self._held()
        left = None if self.ready else self._left()
        return left or self._new() or self._waited()

    def _left(self) -> ClaimedFile | None:
        for path, state in sorted(self.remote.entries(self.work)):
            if not state.is_file or posixpath.basename(path).startswith("."):
                continue
            self._unmark(posixpath.basename(path))
            if claimed := self._tried(path):
                return claimed
        return None

    def _new(self) -> ClaimedFile | None:
        for listed in (False, True):
            if listed:
                self.ready = deque(self.files.complete())
            while self.ready:
                path, found = self.ready.popleft()
                try:
                    if claimed := self._take(path, found):
                        return claimed
                except FileNotFoundError:
                    continue  # another reader was faster, or its writer has taken it back
                except OSError as error:
                    if of_all_files(error):
                        raise
                    self.files.trouble(path, error)
        return None

    def _waited(self) -> ClaimedFile | None:
        while self.again:
            path = self.again.pop(0)
            if self.remote.state(path) is None:
                continue
            self.remote.remove(f"{path}.reason.txt")
            place = posixpath.join(self.work, posixpath.basename(path))
            self.remote.rename(path, place)
            if claimed := self._tried(place):
                return claimed
        return None

    def _take(self, path: str, listed: RemoteState) -> ClaimedFile | None:
        """Fetched where it lies and then put into `work`, in one step, under the name that it keeps. None where it has
        changed since it was listed, or its rest may still come."""
        found = self.remote.state(path)
        if found is None or found.content != listed.content:
            return None
        copy, digest, refusal = self._fetched(path, found)
        now = self.remote.state(path)
        if now is None or now.content != found.content:
            return None
        if self.rules.proven and not refusal:
            stated = self.remote.read(path + (self.rules.done or ""), LARGEST)
            if said := contradiction(copy, stated):
                copy.unlink()
                raise OSError(errno.EBADMSG, said, path)
        if self._is_cut_off(path, found, copy, refusal):
            return None
        target = self._free(posixpath.join(self.work, self._stored(self._parts(path), digest)), found)
        self.remote.rename(path, target)
        there = self.remote.state(target)
        if there is None:
            raise Retriable(
                f"{shown(path)} was renamed, and the server does not show it yet; it is read by the next run"
            )
        if there.content != found.content:
            if self.remote.state(path) is None:
                self.remote.rename(target, path)  # its writer goes on
            return None
        if self.rules.done:
            self.remote.remove(path + self.rules.done)
        return self._claimed(target, found, copy, digest, refusal)

    def _tried(self, path: str) -> ClaimedFile | None:
        """A file in `work`, which waits where it cannot be read now."""
        try:
            if (found := self.remote.state(path)) is None:
                return None
            copy, digest, refusal = self._fetched(path, found)
            name = posixpath.basename(path)
            if not file_names.is_stored(name, _LONGEST):
                target = self._free(posixpath.join(self.work, self._stored([name], digest)), found)
                self.remote.rename(path, target)
                path = target
            return self._claimed(path, found, copy, digest, refusal)
        except FileNotFoundError:
            return None
        except OSError as error:
            if of_all_files(error):
                raise
            self.hold_back(posixpath.basename(path), error)
        return None

    def _fetched(self, path: str, found: RemoteState) -> tuple[Path, str, str]:
        """The copy, its SHA-256, and why nothing of it is read. Raises OSError where other than the server says came:
        it is looked at again by the next run."""
        most, copy = self.rules.max_size, self.spool.place()
        if found.size is not None and found.size > most:
            copy.touch(0o600)
            digest = hashlib.sha256(
                f"{found.size} {found.modified} {posixpath.basename(path)}".encode("utf-8", "replace")
            )
            return copy, digest.hexdigest(), f"{found.size} bytes are more than the {most} allowed"
        try:
            digest_of = self.remote.fetch(path, found, copy, most, self.files.beat)
        except Unreadable as error:
            copy.unlink()
            raise OSError(errno.EFBIG, f"{error}, and the server says {found.size}", path) from None
        came = copy.stat().st_size
        if found.size is not None and came != found.size:
            after = self.remote.state(path)
            if after is not None and after.content == found.content:
                copy.unlink()
                raise OSError(errno.EIO, f"the server says {found.size} bytes, and {came} came", path)
        return copy, digest_of, ""

    def _is_cut_off(self, path: str, found: RemoteState, copy: Path, refusal: str) -> bool:
        """Whether it is packed, its end is missing and may still come."""
        self.files.incomplete.pop(path, None)
        age = self.files.age(path, found)
        if self.rules.done or not self.rules.unpacks or refusal or age >= self.rules.patience:
            return False
        packing = packing_of(copy, self.rules.max_size, self.files.beat)
        if packing is None or packing.trouble != "cut":
            return False
        said = f"{self.files.name(path)} is cut off ({found.size} bytes so far): its rest may come, so it is left"
        self.files.incomplete[path] = f"{said} for up to {self.rules.patience - age:.0f} s more"
        copy.unlink()
        return True

    def _claimed(self, path: str, found: RemoteState, copy: Path, digest: str, refusal: str) -> ClaimedFile:
        packing = None if refusal or not self.rules.unpacks else packing_of(copy, self.rules.max_size, self.files.beat)

        def look() -> None:
            now = self.remote.state(path)
            if now is not None and now.content != found.content:
                raise Unreadable(
                    f"its writer was not done: it had {found.size} bytes when it was fetched and has {now.size} now, "
                    f"or was written again; have it sent again, and give it a longer 'quiet' or a 'done' mark"
                )

        name = posixpath.basename(path)
        self._let_go(name)
        self.copies[name] = copy
        return FetchedFile(name, copy, digest, stamp_of(copy), packing, refusal, look=look)

    def _stored(self, parts: Sequence[str], digest: str) -> str:
        name = file_names.without_sum(parts[-1])
        if digest[:12] not in parts[-1][len(name) :]:
            name = parts[-1]
        stem, short = file_names.stem_of([*parts[:-1], name], _LONGEST)
        stored = f"{stem}.{digest[:12]}"
        if short:
            whole = shown("/".join(parts))
            self.remote.write(self.names, f"{stored}\t{whole}\n".encode(), append=True)
            self.notes.append(f"A name is too long to be kept; {stored} stands for {whole}")
        return stored

    def _parts(self, path: str) -> list[str]:
        return posixpath.relpath(path, self.incoming).split("/")

    def _free(self, target: str, found: RemoteState) -> str:
        """`target`, with a number where another file has that name. Its name holds the checksum: one of the same size
        is the same."""
        number, place = 1, target
        while (there := self.remote.state(place)) is not None and there.size != found.size:
            number += 1
            place = f"{target}.{number}"
        return place

    def _unmark(self, left: str) -> None:
        """Take away the mark of a file that a reader had claimed when it died: the next file of that name is not
        complete by it."""
        if not (done := self.rules.done):
            return
        found = {path for path, _ in self.files.listed()}
        for mark in found:
            file = mark.removesuffix(done)
            if file == mark or file in found:
                continue
            if file_names.stem_of(self._parts(file), _LONGEST)[0] == file_names.without_sum(left):
                self.remote.remove(mark)

    def resume(self, name: str) -> ClaimedFile | None:
        """The claimed file of a cursor, None when it is not in `work` any more."""
        return self._tried(posixpath.join(self.work, posixpath.basename(name)))

    def missing(self, name: str) -> bool:
        """Whether a file that was being read is in none of the folders any more."""
        name = posixpath.basename(name)
        days = sorted((path for path, one in self.remote.entries(self.archive) if one.is_folder), reverse=True)
        return all(
            self.remote.state(posixpath.join(folder, name)) is None
            for folder in (self.work, self.waiting, self.quarantine, *days)
        )

    def finish(self, name: str) -> None:
        """Archive, by day, or delete. Doing it twice is harmless."""
        path = posixpath.join(self.work, posixpath.basename(name))
        self._let_go(posixpath.basename(name))
        if self.rules.archive == "none":
            self.remote.remove(path)
        elif (found := self.remote.state(path)) is not None:
            day = posixpath.join(self.archive, datetime.now(UTC).strftime("%Y-%m-%d"))
            if day != self.day:
                self.remote.make_folder(self.archive)
                self.remote.make_folder(day)
                self.day = day
            self.remote.rename(path, self._free(posixpath.join(day, posixpath.basename(name)), found))

    def _held(self) -> list[str]:
        try:
            found = self.remote.entries(self.waiting)
        except FileNotFoundError:
            return []
        paths = [path for path, one in found if one.is_file and not posixpath.basename(path).startswith(".")]
        return sorted(path for path in paths if not path.endswith(".reason.txt"))

    def refuse(self, name: str, reason: str) -> None:
        """To quarantine, with the reason beside it."""
        self._put(name, self.quarantine, reason)

    def wait(self, name: str, reason: str) -> None:
        """Beside the others, until it is read again."""
        self._put(name, self.waiting, reason)

    def hold_back(self, name: str, error: OSError) -> None:
        """A claimed file that cannot be read now waits, and the run says so."""
        said = f"{shown(name)} cannot be read ({why(error)})"
        self.wait(name, said)
        self.aside.append(f"{said} and waits in the folder 'waiting'")

    def _put(self, name: str, folder: str, reason: str) -> None:
        self.remote.make_folder(folder)
        self._let_go(posixpath.basename(name))
        path = posixpath.join(self.work, posixpath.basename(name))
        found, target = self.remote.state(path), posixpath.join(folder, posixpath.basename(name))
        if found is not None:
            target = self._free(target, found)
        text = f"{datetime.now(UTC).isoformat()}\n{reason}\n"
        self.remote.write(f"{target}.reason.txt", text.encode("utf-8", "replace"))
        if found is not None:
            self.remote.rename(path, target)

    def _let_go(self, name: str) -> None:
        """The copy of a file that is not read any more; one that is open can be read on."""
        if (copy := self.copies.pop(name, None)) is not None:
            copy.unlink(missing_ok=True)

    def warnings(self) -> list[str]:
        """What is to be said of files that were not claimed, or are kept under another name."""
        return self.notes + self.files.warnings()

    def trouble(self) -> str:
        """Which files could not be read in this run, and why; empty where there was none."""
        if not (said := self.aside + list(self.files.troubles.values())):
            return ""
        return f"{few(said, '; ')}. The others were read; each run tries again."


__all__ = ["SftpFolder"]
