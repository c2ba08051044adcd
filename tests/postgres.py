"""A real PostgreSQL server for the tests: on the loopback, in a folder of its own, gone when nobody holds it.

A shell watches over the server and reads from a pipe whose other end this process holds. However this process ends,
the pipe closes; the shell then ends the server, which has nothing to save any more, and deletes its folder.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["Postgres"]

USER, PASSWORD = "ndlab", "open sesame/@:%?"
# initdb refuses root; the tests in a container are run by root.
_OTHERS = ("postgres", "nobody")
_WATCH = """
folder=$1; shift
trap '' INT TERM HUP
"$@" & server=$!
echo $server
while read -r word; do keep=$word; done
kill -QUIT $server 2>/dev/null
wait $server
[ "$keep" ] || rm -rf "$folder"
"""

# Of no secret: made for these tests, for 127.0.0.1, until 2120.
_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgg8TN2PUu/Z0BGtkn
nj16nDUcfBxLnB8f70azm/UW+f6hRANCAATMJU30rzKeLmzWAkSLDxpECJ5XEPT+
RzYM1rWuXkflQDTvnWuxPTZgotzTjmZxAEvIJXSR7ZVu4jh6luJd94md
-----END PRIVATE KEY-----
"""
_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBbTCCARKgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM
CTEyNy4wLjAuMTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMwlTfSvMp4ubNYC
RIsPGkQInlcQ9P5HNgzWta5eR+VANO+da7E9NmCi3NOOZnEAS8gldJHtlW7iOHqW
4l33iZ2jUzBRMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNV
HQ4EFgQUdJD0IxwyokBIkrdd5xkCwll4b9QwDgYDVR0PAQH/BAQDAgKEMAoGCCqG
SM49BAMCA0kAMEYCIQCPEFHP9CHu60bttnUXRzpQOdEnpZoPs5ExhwYPvly4iQIh
AK5xmWjFYzV0xtqaKCmvH1scLXL8oATBL4lY7MALKCyc
-----END CERTIFICATE-----
"""


def binaries() -> Path:
    """Return the folder of initdb and postgres: what PATH has, or the newest that Debian installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not installed:
        raise RuntimeError("PostgreSQL's server is not here; `make system` installs it")
    return installed[-1].parent


class Postgres:
    """A server with one user, who has a password; `url` names a database, new unless `name` is given.

    Parameters
    ----------
    durable : bool
        Wait for the disk at each commit. Without it a crash of the machine loses something, one of the server nothing.
    """

    def __init__(self, durable: bool = False) -> None:
        self._bin = binaries()
        self._durable = durable
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="ndlab-postgres-"))
        if os.geteuid() == 0:
            names = {one.pw_name: one for one in pwd.getpwall()}
            other = next(names[name] for name in _OTHERS if name in names)
            os.chown(self.folder, other.pw_uid, other.pw_gid)
            self._as = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
        self.port = 0
        self._watch: subprocess.Popen[bytes] | None = None
        self._server = 0
        self._names = (f"test_{number}" for number in itertools.count())
        self._make()
        self.start()

    def _run(self, command: str, *args: object, **options: Any) -> None:
        done = subprocess.run(
            [self._bin / command, *map(str, args)], cwd=self.folder, capture_output=True, text=True, check=False,
            timeout=60, **self._as, **options,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _make(self) -> None:
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "--pgdata", self.folder / "data", "--username", USER, "--pwfile", secret,
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--no-sync")  # fmt: skip
        secret.unlink()

    def start(self) -> None:
        """Start the server, on the port it had before."""
        self.port = self.port or _free_port()
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
            "fsync": "on" if self._durable else "off", "max_connections": 200, "shared_buffers": "64MB",
            "logging_collector": "off", "log_destination": "stderr",
        }  # fmt: skip
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._watch = subprocess.Popen(
                ["/bin/sh", "-c", _WATCH, "watch", str(self.folder), self._bin / "postgres", "-D", self.folder / "data",
                 *options],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=self.folder, start_new_session=True,
                **self._as,
            )  # fmt: skip
        assert self._watch.stdout is not None
        self._server = int(self._watch.stdout.readline())
        self._await()

    def _await(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            asked = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(asked, check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def encrypt(self) -> Path:
        """Let the server take encrypted connections, too, and return its certificate, which signs itself."""
        for name, text in (("server.key", _KEY), ("server.crt", _CERTIFICATE)):
            path = self.folder / "data" / name
            path.write_text(text)
            path.chmod(0o600)
            if self._as:
                os.chown(path, self._as["user"], self._as["group"])
        self.run("ALTER SYSTEM SET ssl = on")
        self.run("SELECT pg_reload_conf()")
        return self.folder / "data" / "server.crt"

    def kill(self) -> None:
        """End the server at once, as `kill -9` of all of its processes would; `start` recovers what was committed."""
        assert self._watch is not None
        os.kill(self._server, signal.SIGQUIT)
        self._watch.communicate(b"keep the folder\n", timeout=60)
        self._watch = None

    def stop(self) -> None:
        """Stop the server and delete its folder."""
        if self._watch is not None:
            self._watch.communicate(timeout=60)
            self._watch = None
        shutil.rmtree(self.folder, ignore_errors=True)  # of one that was killed and not started again

    def url(self, name: str | None = None) -> str:
        """Return the address of a database, with user and password."""
        from urllib.parse import quote

        if name is None:
            name = next(self._names)
            self.make(name)
        return f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    def make(self, name: str) -> None:
        """Make an empty database."""
        self.run(f'CREATE DATABASE "{name}" TEMPLATE template0')

    def run(self, statement: str, database: str = "postgres") -> tuple[Any, ...]:
        """Run one statement outside of any transaction, through the driver alone; return the rows."""
        import pg8000.native

        connection = pg8000.native.Connection(
            USER, password=PASSWORD, host="127.0.0.1", port=self.port, database=database
        )
        try:
            return tuple(map(tuple, connection.run(statement) or ()))
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
