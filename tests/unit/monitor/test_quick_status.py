"""Starting: a command that only says what is stored loads no library that computes."""

import subprocess
import sys

STATUS = "leeway.monitor.overview, leeway.monitor.fleet, leeway.jobs.nightly, leeway.workspace, leeway.stores.opening"
HEAVY = (
    *("scipy", "torch", "mlflow", "sklearn", "onnxruntime", "prefect", "evidently", "pandas", "pyarrow", "rich"),
    *("jinja2", "alembic"),
)


def test_what_status_and_monitor_import_loads_nothing_that_computes_or_draws() -> None:
    code = f"import sys, {STATUS}; print([one for one in {HEAVY} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr
