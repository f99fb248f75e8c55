"""Environment variables of Ray; they must be set before it is imported."""

import math
import os

QUIET_RAY = {
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else `uv run` makes Ray build an environment for every worker
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # paths on the command line are relative to where it was given
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a failure's reason is in the record and on the status line
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # trials write their own record, live, into the run's folder
    "TUNE_RESULT_BUFFER_LENGTH": "1",  # a trial that is to stop must not train on meanwhile
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a failed trial reports its reason and no metric
    "TUNE_GLOBAL_CHECKPOINT_S": "600",  # runs are resumed from their own record, not from Ray's snapshots
    "TUNE_WARN_THRESHOLD_S": "10",
}


START_TIMEOUTS = {
    "RAY_raylet_start_wait_time_s": 1,
    "RAY_py_gcs_connect_timeout_s": 1,
    "RAY_agent_register_timeout_ms": 1000,
    "RAY_worker_register_timeout_seconds": 1,
}
"""What a start of Ray waits for, half a minute each unless it is told otherwise, and its parts of a second."""

ONE_ATTEMPT = {"RAY_gcs_server_port_wait_time_s": "1"}  # of attempts to connect, not of seconds; 20 of 40 s else


def quiet_ray(start_timeout_s: float = 120) -> None:
    """Set the variables that are not set already; a start of Ray may take so many seconds."""
    patience = {key: str(math.ceil(start_timeout_s * parts)) for key, parts in START_TIMEOUTS.items()}
    for key, value in {**QUIET_RAY, **patience, **ONE_ATTEMPT}.items():
        os.environ.setdefault(key, value)
