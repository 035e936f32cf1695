"""Certificates made on the spot: good ones, and one for each way in which they are bad."""

import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAY = timedelta(days=1)


class Authority:
    """Issues certificates that a client with the context `trust` accepts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A test's own authority")])
        self._certificate = self._issued(self._name, self._key, authority=True)

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client has to believe."""
        return ssl.create_default_context(cadata=self._certificate.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, host: str = "localhost", *, past: bool = False, own: bool = False) -> ssl.SSLContext:
        """A server's side, called *host*; its certificate is over if *past*, and vouched for by itself if *own*."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        issued = self._issued(name, key, past=past, own=own)
        pem = issued.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "server.pem"
            path.write_bytes(pem)
            context.load_cert_chain(path)
        return context

    def _issued(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        past: bool = False,
        own: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)  # noqa: TID251 - OpenSSL goes by this host's clock
        common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if own else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 9 * _DAY)
            .not_valid_after(now - _DAY if past else now + _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(str(common))]), critical=False)
            .sign(key if own else self._key, hashes.SHA256())
        )
