"""The environment variables that libraries read as they start.

Every entry point (a stage, the command line, a benchmark, the tests) calls `configure` before it
imports anything heavy. Nothing else in the project changes the environment.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QUIET = {
    # albumentations looks for updates otherwise.
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # A stage draws into files, never on a screen.
    "MPLBACKEND": "Agg",
    # OpenCV reports what is switched off below.
    "OPENCV_LOG_LEVEL": "ERROR",
}
STEADY = {
    # OpenMP threads that spin while a shared machine takes a core away slow a step by 8 x.
    "OMP_WAIT_POLICY": "PASSIVE",
    # cuBLAS needs it for runs that repeat to the bit on a GPU.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
PORTABLE = {
    # MKL's dense layers, torch's own loops, oneDNN's convolutions: the code paths of AVX2, which
    # every x86-64 processor since 2015 has, instead of the best ones of this processor.
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # NumPy's code for the oldest processor that it supports, and the OpenBLAS in NumPy and SciPy.
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    # Intel's IPP inside OpenCV picks its code by the processor too.
    "OPENCV_IPP": "disabled",
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def configure(arguments: Sequence[str] = ()) -> None:
    """Set the environment of this process and of those that it starts.

    What is set already stays, except where results must be the same on every CPU.

    Args:
        arguments: the command line of a stage. `cpu` in the file after `--params` says whether
            results must be the same on every CPU, and with how many threads. Without such a
            file they need not be.
    """
    for name, value in (QUIET | STEADY).items():
        os.environ.setdefault(name, value)
    settings = cpu_settings(arguments)
    if settings.get("portable") is True:
        os.environ.update(PORTABLE)
        os.environ.update(dict.fromkeys(THREADS, str(settings.get("threads"))))


def cpu_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """The block `cpu` of the settings file that a command line names; {} if it has none.

    The file is not checked here: the stage does so next, and reports what is wrong with it.
    """
    if "--params" not in arguments[:-1]:
        return {}
    # Not at the top: `cxr --help` needs no YAML.
    from ruamel.yaml import YAML, YAMLError

    try:
        content = YAML(typ="safe").load(Path(arguments[arguments.index("--params") + 1]))
    except (OSError, YAMLError):
        return {}
    settings = content.get("cpu") if isinstance(content, dict) else None
    return settings if isinstance(settings, dict) else {}
