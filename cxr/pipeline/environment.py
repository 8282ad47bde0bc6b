"""What must be settled before the heavy libraries are imported: they read it as they start.

Every entry point (a stage, the command line, a benchmark, the tests) calls `configure` before
anything else, and nothing else in the project changes the environment when it is imported.
"""

import os

QUIET = {
    # It looks for updates otherwise.
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # A stage draws into files, never on a screen.
    "MPLBACKEND": "Agg",
}
STEADY = {
    # OpenMP threads that spin while a shared machine takes a core away slow a step by 8 x.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Needed by cuBLAS for runs that repeat to the bit on a GPU.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def configure() -> None:
    """Set the environment of this process and of those it starts; what is set already stays."""
    for name, value in (QUIET | STEADY).items():
        os.environ.setdefault(name, value)
