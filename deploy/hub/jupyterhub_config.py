"""JupyterHub for ndlab on one machine: `jupyterhub -f deploy/hub/jupyterhub_config.py`.

As it stands, whoever has an account on the machine logs in with it (PAM), and the server of each runs under that
account. docs/how-to/run-a-hub.md goes through it; `make cluster-test` runs a hub on this very file.
"""

import sys

c = get_config()  # noqa: F821 - JupyterHub brings it

# A proxy with TLS belongs in front of it before anybody from elsewhere may come.
c.JupyterHub.bind_url = "http://127.0.0.1:8000/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:8081"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8001"
c.LocalAuthenticator.create_system_users = False
c.Authenticator.allow_all = True

# The environment that the hub itself runs in, so that versions agree.
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = [
    # A handler without a decorator answers anybody who reaches the hub unless this is set: here it answers 403.
    "--ServerApp.allow_unauthenticated_access=False",
    # Users install nothing into the environment that they share.
    "--LabApp.extension_manager=readonly",
]
c.Spawner.environment = {
    # A scheduler of Dask is seen through the user's own server, so it asks for the user's login. By the part proxy/ the
    # Dask panel knows that plots open by this link; its other way to them forgets the path, and ends in a 404.
    "DASK_DISTRIBUTED__DASHBOARD__LINK": "{JUPYTERHUB_SERVICE_PREFIX}proxy/{port}/status",
    # What the Dask panel of JupyterLab starts: small, on the loopback only, on ports that collide with nobody's. For
    # clusters of a gateway name the module dask_gateway and the class GatewayCluster.
    "DASK_LABEXTENSION__FACTORY__MODULE": "dask.distributed",
    "DASK_LABEXTENSION__FACTORY__CLASS": "LocalCluster",
    "DASK_LABEXTENSION__FACTORY__KWARGS": repr(
        {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    ),
}
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120

# A server that nobody used for an hour ends. What was written with ndlab is on disk by then: the journals of paint and
# of annotations note a write before it is acknowledged, and a Run goes on from its record.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600", "--cull-every=300"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
