"""A certificate authority of one server, for tests of TLS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey


def write_certificates(folder: Path, hosts: list[str]) -> Path:
    """Writes `ca.pem`, `server.pem` and `server.key`, good for a day.

    Args:
        folder: where to.
        hosts: names that the server may be called by.

    Returns:
        Path of `ca.pem`.
    """
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = f"authority {x509.random_serial_number()}"
    ca = _certificate(issuer, issuer, authority.public_key(), authority, None)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    server = _certificate(hosts[0], issuer, key.public_key(), authority, names)
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(server.public_bytes(Encoding.PEM))
    secret = folder / "server.key"
    secret.touch(0o600)
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "ca.pem"


def _certificate(
    name: str,
    issuer: str,
    key: ec.EllipticCurvePublicKey,
    signer: Key,
    names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names is not None:
        certificate = certificate.add_extension(names, critical=False)
    return certificate.sign(signer, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
