"""The time of each stage of the default run: seconds by the clock and seconds of CPU.

    python -m benchmarks.pipeline [--set model=simple_cnn ...]

Clones the last commit into a temporary folder and reproduces stage by stage there, without a cache.
The time of DVC itself is in it. CPU seconds are those of all processes, in user and system mode;
other users of the machine touch them least.
"""

from cxr.pipeline.environment import configure

configure()

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML


def main() -> None:
    """Read the command line; run and measure each stage; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", dest="changes")
    options = parser.parse_args()
    stages = list(YAML(typ="safe").load(Path("dvc.yaml"))["stages"])
    with tempfile.TemporaryDirectory() as folder:
        run(["git", "clone", "--quiet", str(Path.cwd()), folder], Path())
        Path(folder, "dvc.lock").unlink(missing_ok=True)
        change_settings(Path(folder, "params.yaml"), options.changes)
        model = YAML(typ="safe").load(Path(folder, "params.yaml"))["model"]
        print(f"{'stage':<12}{'seconds':>10}{'CPU seconds':>14}")
        total, total_cpu = 0.0, 0.0
        for stage in stages:
            seconds, cpu = timed(stage, model, Path(folder))
            total, total_cpu = total + seconds, total_cpu + cpu
            print(f"{stage:<12}{seconds:>10.1f}{cpu:>14.1f}", flush=True)
        print(f"{'all':<12}{total:>10.1f}{total_cpu:>14.1f}")


def change_settings(path: Path, changes: list[str]) -> None:
    """Set dotted keys of params.yaml."""
    yaml = YAML()
    content = yaml.load(path)
    for change in changes:
        key, value = change.split("=", 1)
        *parents, last = key.split(".")
        block = content
        for parent in parents:
            block = block[parent]
        block[last] = yaml.load(value)
    yaml.dump(content, path)


def timed(stage: str, model: str, folder: Path) -> tuple[float, float]:
    """Reproduce one stage alone; seconds by the clock and of CPU."""
    definition = YAML(typ="safe").load(folder / "dvc.yaml")["stages"][stage]
    name = f"{stage}@{model}" if "matrix" in definition else stage
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run([sys.executable, "-m", "dvc", "repro", "--single-item", name], folder)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def run(command: list[str], folder: Path) -> None:
    """Run a command; show what it printed only where it fails."""
    result = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if result.returncode:
        sys.exit(result.stdout)


if __name__ == "__main__":
    main()
