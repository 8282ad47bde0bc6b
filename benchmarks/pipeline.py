"""The time of each stage of the default run: wall-clock and CPU seconds.

    python -m benchmarks.pipeline

Clones the last commit into a temporary folder and reproduces stage by stage there, without a cache.
The time of DVC itself is included. CPU seconds are those of all processes, in user and system mode;
they depend less on other users of the machine.
"""

from cxr.pipeline.environment import configure

configure()

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML


def main() -> None:
    """Run and measure each stage; print a table."""
    stages = list(YAML(typ="safe").load(Path("dvc.yaml"))["stages"])
    with tempfile.TemporaryDirectory() as folder:
        run(["git", "clone", "--quiet", str(Path.cwd()), folder], Path())
        Path(folder, "dvc.lock").unlink(missing_ok=True)
        print(f"{'stage':<12}{'seconds':>10}{'CPU seconds':>14}")
        total, total_cpu = 0.0, 0.0
        for stage in stages:
            seconds, cpu = timed(stage, Path(folder))
            total, total_cpu = total + seconds, total_cpu + cpu
            print(f"{stage:<12}{seconds:>10.1f}{cpu:>14.1f}", flush=True)
        print(f"{'all':<12}{total:>10.1f}{total_cpu:>14.1f}")


def timed(stage: str, folder: Path) -> tuple[float, float]:
    """Reproduce one stage alone; return wall-clock and CPU seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run([sys.executable, "-m", "dvc", "repro", "--single-item", stage], folder)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def run(command: list[str], folder: Path) -> None:
    """Run a command; show its output only if it fails."""
    result = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        sys.exit(result.stdout)


if __name__ == "__main__":
    main()
