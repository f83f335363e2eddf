"""One connection to an SFTP server: the socket of `kernel.egress`, the key of the host held to those that are pinned,
signing in, and an end to every wait. What goes wrong is said as the fault of the connection that it is, or as something
that passes; errors about one file stay OSErrors.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import logging
import os
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpcore
import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from paramiko.message import Message
from paramiko.sftp import CMD_CLOSE, CMD_HANDLE, CMD_NAME, CMD_OPENDIR, CMD_READDIR

from kernel import authorities, egress
from kernel.egress import NoSuchHost, NotReached
from runtime.connectors.outcomes import fault
from runtime.connectors.protocols import CallContext, ConnectionFault, Retriable

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # names of files and reasons are said by us, without cards
_PRINT = re.compile(r"SHA256:([A-Za-z0-9+/]{43})")
_KEY = re.compile(r"\b(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]+ +([A-Za-z0-9+/]{30,}={0,2})")
_ASK = "_request"  # of paramiko's client: one request and its answer


def fingerprints(text: str) -> set[str]:
    """The fingerprints that a text names: themselves, or public keys as `known_hosts` has them."""
    found = {f"SHA256:{one}" for one in _PRINT.findall(text)}
    for key in _KEY.findall(text):
        try:
            found.add(_fingerprint(base64.b64decode(key, validate=True)))
        except ValueError:
            continue
    return found


def _fingerprint(key: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


class _Socket:
    """What paramiko's thread reads and writes: ends at a moment, however slowly bytes come."""

    def __init__(self, inner: socket.socket) -> None:
        self.inner, self.ends = inner, float("inf")

    def recv(self, size: int) -> bytes:
        self._late()
        return self.inner.recv(size)

    def send(self, data: bytes) -> int:
        self._late()
        return self.inner.send(data)

    def _late(self) -> None:
        if time.monotonic() > self.ends:
            raise EOFError("the deadline has passed")

    def settimeout(self, seconds: float | None) -> None:
        self.inner.settimeout(seconds)

    def close(self) -> None:
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _attributes(message: Message) -> paramiko.SFTPAttributes:
    made, unpack = paramiko.SFTPAttributes(), "_unpack"
    getattr(made, unpack)(message)
    return made


class SftpClient(paramiko.SFTPClient):
    """Lists names of any bytes, as `os` spells them; a page of a listing at a time."""

    def entries(self, path: str) -> Iterator[tuple[str, paramiko.SFTPAttributes]]:
        ask: Any = getattr(self, _ASK)
        kind, message = ask(CMD_OPENDIR, os.fsencode(path))
        if kind != CMD_HANDLE:
            raise paramiko.SFTPError("a handle was expected")
        handle = message.get_binary()
        try:
            while True:
                try:
                    kind, message = ask(CMD_READDIR, handle)
                except EOFError:
                    return
                if kind != CMD_NAME:
                    raise paramiko.SFTPError("names were expected")
                yield from self._names(message)
        finally:
            ask(CMD_CLOSE, handle)

    def _names(self, message: Message) -> Iterator[tuple[str, paramiko.SFTPAttributes]]:
        for _ in range(message.get_int()):
            name = os.fsdecode(message.get_string())
            message.get_string()  # the long form, for people
            attributes = _attributes(message)
            if name not in (".", "..") and "/" not in name and "\0" not in name:
                yield name, attributes

    def _adjust_cwd(self, path: Any) -> bytes:
        return os.fsencode(path)

    def _log(self, level: int, msg: Any, *args: Any) -> None:
        """Nothing: what happens is told by the run, without card numbers in names."""


class SftpSession:
    """Opened by the first use of a call, and anew by the first behind one that was cut. `pinned`: the fingerprints that
    the server may show."""

    def __init__(self, address: str, pinned: set[str]) -> None:
        authority = authorities.of_address(address)
        self.host, self.port, self.pinned = authority.host, authority.port, pinned
        self.where, self.scheme = str(authority), authority.scheme
        self._sftp: SftpClient | None = None
        self._transport: paramiko.Transport | None = None
        self._socket: _Socket | None = None
        self.call = CallContext()

    def use(self, call: CallContext) -> None:
        """The secrets and the deadline of what follows."""
        self.call = call

    @contextmanager
    def client(self) -> Iterator[SftpClient]:
        """The client, for one exchange that ends within the deadline. Raises ConnectionFault, Retriable, and OSError
        for what the server says of a file."""
        ends = time.monotonic() + self.call.deadline
        if self.call.until is not None:
            ends = min(ends, self.call.until)
        left = max(ends - time.monotonic(), 0.001)
        fresh = self._sftp is None
        try:
            sftp = self._sftp or self._opened(left)
            channel = sftp.get_channel()
            if channel is not None:
                channel.settimeout(max(ends - time.monotonic(), 0.001))
            if self._socket is not None:
                self._socket.ends = ends
            yield sftp
            if self._socket is not None:
                self._socket.ends = float("inf")
        except (ConnectionFault, Retriable):
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise Retriable(f"{self.where} did not answer within {self.call.deadline:g} seconds") from None
        except (paramiko.SSHException, EOFError, ConnectionError) as error:
            self.close()
            what = "was not opened" if fresh and self._sftp is None else "was cut"
            raise Retriable(f"The connection to {self.where} {what} ({self._said(error)})") from None
        except OSError as error:
            if error.errno is None and not _is_status(error):
                self.close()
                raise Retriable(f"The connection to {self.where} was cut ({self._said(error)})") from None
            raise

    def close(self) -> None:
        """Ends the connection, without a word that would have to be waited for."""
        transport, socket_ = self._transport, self._socket
        self._sftp = self._transport = self._socket = None
        for one in (socket_, transport):
            if one is not None:
                try:
                    one.close()
                except (OSError, EOFError, paramiko.SSHException):
                    continue

    def _said(self, error: Exception) -> str:
        return self.call.secrets.redact(str(error) or type(error).__name__)[:300]

    def _opened(self, seconds: float) -> SftpClient:
        if not self.pinned:
            words = f"No key of the host {self.host} is pinned"
            cure = "Name its fingerprint under 'sftp.host_keys', or in what the endpoint names for trust"
            raise ConnectionFault("certificate", f"{words}. {cure}.")
        if self.scheme != "sftp":
            raise fault("address", f"{self.where} is no server of files; it would be such as sftp://files.example.com")
        user = self.call.secrets["user"]
        try:
            self._socket = _Socket(egress.connected(self.host, self.port, seconds, egress.systems()))
        except NoSuchHost as error:
            raise fault("name", str(error)) from None
        except NotReached as error:
            raise fault("address", str(error)) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Retriable(f"{self.where} is not reached ({self._said(error)})") from None
        self._socket.ends = time.monotonic() + seconds
        like_a_socket: Any = self._socket
        transport = self._transport = paramiko.Transport(like_a_socket)
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = seconds
        transport.channel_timeout = seconds
        transport.start_client(timeout=seconds)
        self._is_pinned(transport.get_remote_server_key())
        self._sign_in(transport, user)
        channel = transport.open_session(timeout=seconds)
        channel.settimeout(seconds)
        try:
            channel.invoke_subsystem("sftp")
        except paramiko.SSHException:
            if transport.is_active():
                raise fault("address", f"{self.where} is an SSH server without SFTP") from None
            raise
        self._sftp = SftpClient(channel)
        return self._sftp

    def _is_pinned(self, key: paramiko.PKey) -> None:
        shown = _fingerprint(key.asbytes())
        if shown in self.pinned:
            return
        words = f"{self.host} shows the {key.get_name()} key {shown}, and {' or '.join(sorted(self.pinned))} is pinned"
        cure = "Nothing was sent, no password either. Ask who runs the server whether its key has changed; then pin it"
        raise ConnectionFault("certificate", f"{words}. {cure}.")

    def _sign_in(self, transport: paramiko.Transport, user: str) -> None:
        secrets = self.call.secrets
        try:
            if key := self.call.secrets_or_none("private_key"):
                transport.auth_publickey(user, _key(key, self.call.secrets_or_none("passphrase")))
            if not transport.is_authenticated():  # some servers want both
                transport.auth_password(user, secrets["password"])
        except paramiko.BadAuthenticationType as error:
            allowed = ", ".join(error.allowed_types)
            raise fault("credentials", f"{self.host} lets the account in by {allowed} alone") from None
        except paramiko.AuthenticationException:
            raise fault("credentials", f"{self.host} does not let the account in") from None
        if not transport.is_authenticated():
            raise fault("credentials", f"{self.host} wants more than the key and the password of the account")


def _key(text: str, passphrase: str | None) -> paramiko.PKey:
    """A private key in PEM or in OpenSSH's form. Raises ConnectionFault."""
    given, word = f"{text.strip()}\n".encode(), passphrase.encode() if passphrase else None
    for load in (serialization.load_ssh_private_key, serialization.load_pem_private_key):
        try:
            made = load(given, word)
        except TypeError:
            words = "encrypted, and the secret has no 'passphrase'" if word is None else "not encrypted"
            raise fault("secret", f"The private key is {words}") from None
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(made, rsa.RSAPrivateKey):
            return paramiko.RSAKey(key=made)
        if isinstance(made, ec.EllipticCurvePrivateKey):
            return paramiko.ECDSAKey(vals=(made, made.public_key()))
        if isinstance(made, ed25519.Ed25519PrivateKey):
            plain = made.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            return paramiko.Ed25519Key.from_private_key(io.StringIO(plain.decode()))
    known = "it is an Ed25519, ECDSA or RSA key in PEM or OpenSSH's form, with the right 'passphrase' where it has one"
    raise fault("secret", f"The private key cannot be read; {known}")


def _is_status(error: OSError) -> bool:
    """Whether the server has answered this: paramiko gives its words alone, where it knows no number."""
    return len(error.args) == 1 and isinstance(error.args[0], str)


def named(error: OSError, path: str) -> OSError:
    """The same error with the file that it is about."""
    number, words = error.errno or errno.EIO, error.strerror or str(error)
    return OSError(number, words, path)


def pinned_keys(host_keys: Sequence[str], trust: object) -> set[str]:
    return {one.rstrip("=") for one in host_keys} | (fingerprints(trust) if isinstance(trust, str) else set())


__all__ = ["SftpClient", "SftpSession", "fingerprints", "named", "pinned_keys"]
