"""What holds for every test: no telemetry, no proxy, no state of the developer's own, threads that do not spin."""

import os

# Before torch, Prefect or MLflow is imported: they read these once.
for name, value in {
    "OMP_WAIT_POLICY": "PASSIVE",
    "OMP_NUM_THREADS": "1",  # pytest runs one process for each core already
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(name, value)
# The machine may reach its package index through a proxy; the servers that tests start are on this machine.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
for name in [name for name in os.environ if name.startswith(("LEEWAY_", "PREFECT_"))]:
    del os.environ[name]
