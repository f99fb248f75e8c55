"""Environment variables of Ray; they must be set before it is imported."""

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


def quiet_ray() -> None:
    """Set the variables that are not set already."""
    for key, value in QUIET_RAY.items():
        os.environ.setdefault(key, value)
