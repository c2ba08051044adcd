"""The server behind a mirror, asked through the proxy that the environment names, or around it."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ndlab.errors import Unsupported
from ndlab.serve.app import make_site, serving
from ndlab.serve.keys import Span
from ndlab.serve.limits import Access
from ndlab.serve.mirror import Mirror
from ndlab.serve.origin import Origin, proxy_for
from ndlab.serve.statuses import Unreachable
from tests.serve.proxy import proxying
from tests.serve.sites import EM, Client, make_folder
from tests.servers import FolderServer
from tests.servers import serving as serving_files

VALUE = bytes(range(256))
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only what a test sets be set, and give back what a mirror adds."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.setenv(name.upper(), "")
        monkeypatch.delenv(name)
        monkeypatch.delenv(name.upper())


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FolderServer]:
    (tmp_path / "web" / "a b.zarr").mkdir(parents=True)
    (tmp_path / "web" / "a b.zarr" / "a").write_bytes(VALUE)
    with serving_files(FolderServer(tmp_path / "web")) as found:
        yield found


def leads_to(server: FolderServer) -> dict[str, tuple[str, int]]:
    host, port = server.http.server_address[:2]
    return {"origin.example": (str(host), port)}


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_it_is_asked_through_the_proxy(files: FolderServer, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with proxying(leads_to(files)) as proxy:
        monkeypatch.setenv(name, f"http://{proxy.address}" if name.isupper() else proxy.address)
        origin = Origin("http://origin.example/a b.zarr")
        told = origin.ask("a", Span(3, 6))
        assert (told.status, told.body, told.start, told.size) == (206, VALUE[3:7], 3, 256)
        assert origin.ask("a", None).body == VALUE
        assert origin.ask("none", None).status == 404
        origin.close()
        assert proxy.asked[0] == ("GET", "http://origin.example/a%20b.zarr/a")
        assert [path for _, path, _ in files.asked] == ["/a%20b.zarr/a", "/a%20b.zarr/a", "/a%20b.zarr/none"]


@pytest.mark.parametrize("hosts", ["127.0.0.1", "other.example, 127.0.0.1", "*"])
def test_it_is_asked_directly_where_no_proxy_names_it(
    files: FolderServer, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    with proxying({}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        monkeypatch.setenv("NO_PROXY", hosts)
        origin = Origin(f"{files.url}/a b.zarr")
        assert origin.ask("a", None).body == VALUE
        origin.close()
        assert not proxy.asked


def test_a_proxy_that_wants_a_password_is_shown_it(files: FolderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxying(leads_to(files), "me:p@ss word") as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss%20word@{proxy.address}")
        origin = Origin("http://origin.example/a b.zarr")
        assert origin.ask("a", None).body == VALUE
        origin.close()
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.address}")
        without = Origin("http://origin.example/a b.zarr")
        assert without.ask("a", None).status == 407
        without.close()


def certified(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a certificate that a host signed itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(),
                                   now - datetime.timedelta(days=1), now + datetime.timedelta(days=1))  # fmt: skip
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    (folder / "cert.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def test_an_encrypted_origin_is_reached_through_a_tunnel(
    files: FolderServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cert, key = certified(tmp_path, "origin.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    files.http.socket = context.wrap_socket(files.http.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with proxying(leads_to(files), "me:secret") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy.address}")
        origin = Origin("https://origin.example/a b.zarr")
        for _ in range(2):
            assert origin.ask("a", Span(tail=5)).body == VALUE[-5:]
        origin.close()
        assert proxy.asked == [("CONNECT", "origin.example:443")], "one tunnel, used again"
        with pytest.raises(OSError, match="502"):
            Origin("https://nowhere.example/").ask("a", None)


def test_a_mirror_behind_a_proxy_serves_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with serving_files(FolderServer(make_folder(tmp_path))) as files, proxying(leads_to(files)) as proxy:
        for name in VARIABLES[:3]:
            monkeypatch.setenv(name, f"http://{proxy.address}")
        mirror = Mirror("http://origin.example/em.zarr", tmp_path / "kept", 10 << 20)
        with serving(make_site("", Access(open=True), mirror=mirror)) as server:
            said = Client(server, None)("/v1/volumes/em/image/cutout?box=:,:,:&format=raw")
            assert (np.frombuffer(said.body, "u1").reshape(EM.shape) == EM).all()
        assert {host_of(path) for _, path in proxy.asked} == {"origin.example"}, "the loopback needs no proxy"


def host_of(path: str) -> str:
    return path.removeprefix("http://").partition("/")[0]


def test_a_proxy_that_is_gone_is_no_missing_chunk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    mirror = Mirror("http://origin.example/em.zarr", tmp_path / "kept", 1 << 20)
    with pytest.raises(Unreachable, match="does not answer"):
        mirror("0/c/0", None)
    mirror.close()


def test_a_proxy_of_another_kind_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(Unsupported, match=r"socks5://127\.0\.0\.1.*NO_PROXY=origin\.example:8080"):
        proxy_for("http", "origin.example:8080")
    monkeypatch.setenv("no_proxy", "origin.example")
    assert proxy_for("http", "origin.example:8080") is None
