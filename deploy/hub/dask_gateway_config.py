"""dask-gateway for ndlab: `dask-gateway-server -f deploy/hub/dask_gateway_config.py`.

Clusters of Dask for the users of a hub, whatever runs them: a backend for Kubernetes, for SLURM and PBS, and one for
processes of one machine come with dask-gateway. `make cluster-test` starts clusters through this very file.
"""

c = get_config()  # noqa: F821 - the gateway brings it

# Since 2026.6 distributed has no commands named dask-scheduler and dask-worker, which are the gateway's defaults.
c.ClusterConfig.scheduler_cmd = ["dask", "scheduler"]
c.ClusterConfig.worker_cmd = ["dask", "worker"]

# One thread a worker: ndlab's engine has threads of its own for reading, decoding and encoding.
c.ClusterConfig.worker_cores = 1
c.ClusterConfig.worker_memory = "2 G"
# A cluster that nobody uses for half an hour ends; a Run resumes from its record on the next one.
c.ClusterConfig.idle_timeout = 1800
