"""A real dask-gateway on the loopback: its server, its proxy, and clusters as processes of this machine."""

from __future__ import annotations

import os
import secrets
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.processes import free_port, program

__all__ = ["Gateway", "gateway"]

_SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "hub" / "dask_gateway_config.py"

# What the shipped file leaves to a site: ports, who may log in, and where clusters run.
_CONFIG = """
load_subconfig({shipped!r})
c.DaskGateway.address = "127.0.0.1:{server}"
c.Proxy.address = "127.0.0.1:{proxy}"
c.Proxy.tcp_address = "127.0.0.1:{tcp}"
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = {password!r}
c.LocalBackend.clusters_directory = "{folder}/clusters"
c.ClusterConfig.environment = {environment!r}
"""


@dataclass(frozen=True)
class Gateway:
    """Where a gateway is, and the password that it wants."""

    address: str
    proxy_address: str
    password: str


@contextmanager
def gateway() -> Iterator[Gateway]:
    """Yield a running gateway."""
    with tempfile.TemporaryDirectory(prefix="ndlab-gateway-") as name:
        folder = Path(name)
        server, proxy, tcp, password = free_port(), free_port(), free_port(), secrets.token_hex(8)
        config = folder / "dask_gateway_config.py"
        config.write_text(
            _CONFIG.format(shipped=str(_SHIPPED), server=server, proxy=proxy, tcp=tcp, folder=folder, password=password,
                           environment={k: v for k, v in os.environ.items() if k.startswith(("AWS_", "PYTHONPATH"))})
        )  # fmt: skip
        found = Gateway(f"http://127.0.0.1:{proxy}", f"gateway://127.0.0.1:{tcp}", password)
        command = [sys.executable, "-m", "dask_gateway_server", "-f", str(config)]
        path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        with program(command, folder / "gateway.log", lambda: _answers(found), environment=path):
            yield found


def _answers(found: Gateway) -> bool:
    try:
        with urllib.request.urlopen(f"{found.address}/api/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
