"""A local HTTPS proxy that answers for the hosts of the internet.

Clients find it by HTTPS_PROXY and REQUESTS_CA_BUNDLE, and use the real addresses.
"""

import datetime
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = [
    "mirror.example",
    "www.dropbox.com",
    "uc1.dl.dropboxusercontent.com",
    "drive.google.com",
    "drive.usercontent.google.com",
    "api.kaggle.com",
    "storage.googleapis.com",
]


@dataclass
class Answer:
    """The response of a host.

    Attributes:
        cut: close the connection after this many bytes of the body.
        ranges: support the header Range.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    ranges: bool = True


@dataclass
class Request:
    """The request of a client."""

    url: str
    range: str | None
    body: bytes


class Hosts:
    """All hosts: their `answers`, by address without the query, and the `requests` so far."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self.answers.get(request.url.split("?")[0], Answer(b"nothing here", 404))
        return found(request) if callable(found) else found

    def asked(self, part: str) -> list[Request]:
        return [request for request in self.requests if part in request.url]


def certificate(folder: Path) -> Path:
    """Write a key and a self-signed certificate for all hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "loopback.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def loopback(folder: Path) -> Iterator[tuple[Hosts, dict[str, str]]]:
    """Start the proxy; yield the hosts and the environment variables for clients."""
    hosts = Hosts()
    pem = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.host = self.path.split(":")[0]
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]
            self.close_connection = False

        def do_GET(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            request = Request(
                f"https://{self.host}{self.path}", self.headers.get("Range"), self.rfile.read(size)
            )
            self.say(hosts.answer(request), request.range)

        do_POST = do_GET

        def say(self, answer: Answer, wanted: str | None) -> None:
            body, status = answer.body, answer.status
            kind = "text/html" if body.lstrip().startswith(b"<") else "application/zip"
            headers = {"Content-Type": kind, **answer.headers}
            if status == 200 and answer.ranges:
                headers["Accept-Ranges"] = "bytes"
                if wanted and (found := re.match(r"bytes=(\d+)-", wanted)):
                    start = int(found[1])
                    headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                    body, status = body[start:], 206
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: answer.cut])
            if answer.cut is not None:
                self.close_connection = True

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield (
            hosts,
            {"HTTPS_PROXY": address, "REQUESTS_CA_BUNDLE": str(pem), "CURL_CA_BUNDLE": str(pem)},
        )
    finally:
        server.shutdown()
        server.server_close()
