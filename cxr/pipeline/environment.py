"""Environment variables that libraries read when they are imported.

Every entry point (a stage, the command line, a benchmark, the tests) calls `configure` before it
imports such libraries. Nothing else in the project changes the environment.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

QUIET = {
    # Otherwise albumentations looks for updates.
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # Stages draw to files, never to a screen.
    "MPLBACKEND": "Agg",
    # OpenCV warns about what is disabled below.
    "OPENCV_LOG_LEVEL": "ERROR",
}
STEADY = {
    # Otherwise waiting OpenMP threads keep a core busy: on a shared machine, a training step took
    # up to 8 times as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    # cuBLAS needs it for bit-identical results on a GPU.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
PORTABLE = {
    # MKL (dense layers), torch's own kernels, oneDNN (convolutions): use AVX2, which all common
    # x86-64 processors since 2015 have, instead of the newest instructions of this processor.
    "MKL_CBWR": "COMPATIBLE",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    # The same for NumPy, and for OpenBLAS in NumPy and SciPy.
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
    # Intel's IPP in OpenCV also chooses its code by the processor.
    "OPENCV_IPP": "disabled",
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def configure(arguments: Sequence[str] = ()) -> None:
    """Set the environment of this process and of its child processes.

    Variables that are already set stay as they are, except those of `cpu.portable`.

    Args:
        arguments: the command line of a stage. The block `cpu` of the file after `--params` says
            whether results must be the same on every CPU, and how many threads are used. Without
            such a file, the fastest code of this CPU is used.
    """
    for name, value in (QUIET | STEADY).items():
        os.environ.setdefault(name, value)
    settings = cpu_settings(arguments)
    if settings.get("portable") is True:
        os.environ.update(PORTABLE)
        os.environ.update(dict.fromkeys(THREADS, str(settings.get("threads"))))


def cpu_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """The block `cpu` of the settings file in a command line; {} if there is none.

    The file is not validated here: the stage does that next, and reports errors.
    """
    if "--params" not in arguments[:-1]:
        return {}
    # Imported here because `cxr --help` needs no YAML.
    from ruamel.yaml import YAML, YAMLError

    try:
        content = YAML(typ="safe").load(Path(arguments[arguments.index("--params") + 1]))
    except (OSError, YAMLError):
        return {}
    settings = content.get("cpu") if isinstance(content, dict) else None
    return settings if isinstance(settings, dict) else {}
