"""Certificates of a vendor's TLS listener: the right one, and those that nobody may accept."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

WRONG = ("expired", "unknown", "elsewhere")
"""What a listener may present instead: one that has ended, one that nobody signed, one of another address."""


@dataclass(frozen=True)
class Certificates:
    """Made in a folder. `authority` is the CA file that the product is told: every certificate but `unknown` is in
    it."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Certificates:
        folder.mkdir(parents=True, exist_ok=True)
        known = [_certificate(folder, name, days=-1 if name == "expired" else 30) for name in ("right", *WRONG[::2])]
        _certificate(folder, "unknown", days=30)
        made = cls(folder)
        made.authority.write_bytes(b"".join(known))
        return made

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def context(self) -> ssl.SSLContext:
        """Of a listener that presents the right one."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.present(made, "right")
        return made

    def present(self, context: ssl.SSLContext, name: str) -> None:
        """From the next handshake on."""
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")


def _certificate(folder: Path, name: str, *, days: int) -> bytes:
    """Key and certificate in files, signed by itself, valid until so many days from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"campaign {name}")])
    address = ip_address("127.0.0.9" if name == "elsewhere" else "127.0.0.1")
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(address)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    (folder / f"{name}.pem").write_bytes(made.public_bytes(encoding))
    return made.public_bytes(encoding)
