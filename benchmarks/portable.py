"""The cost of results that are the same on every CPU: images/s of a training step.

    python -m benchmarks.portable [--models resnet18 ...] [--size 96] [--batch-size 16]

For each network, a process with the settings of `cpu.portable: true` and one without take turns,
because the speed of a shared machine drifts. Both use `cpu.threads` threads. The second uses
the precision that the train stage would choose. The result is the median of the steps of all turns.
"""

import sys

from cxr.pipeline.environment import THREADS, configure

configure(["--params", "params.yaml"] if "portable" in sys.argv else [])

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

from cxr.pipeline.params import load

TURNS = 4
STEPS = 8
"""In each turn; the first two are not counted."""


def main() -> None:
    """Read the command line; measure each network in two processes; print a table."""
    options = arguments()
    if options.serve:
        serve(options.models[0], options.size, options.batch_size, options.serve == "portable")
        return
    print(f"{options.size} px, batches of {options.batch_size}; images/s")
    print(f"{'model':<18}{'portable':>10}{'not':>10}  precision{'portable / not':>16}")
    for name in options.models:
        kinds = ("portable", "fastest")
        workers = {kind: start(name, kind, options) for kind in kinds}
        precision = {kind: ask(workers[kind]) for kind in kinds}
        turns = [{kind: float(ask(workers[kind])) for kind in kinds} for _ in range(TURNS)]
        for worker in workers.values():
            worker.kill()
        speed = {kind: statistics.median(turn[kind] for turn in turns) for kind in kinds}
        ratio = speed["portable"] / speed["fastest"]
        print(
            f"{name:<18}{speed['portable']:>10.1f}{speed['fastest']:>10.1f}"
            f"  {precision['fastest']:<9}{ratio:>16.2f}",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--models", nargs="+", default=list(load(Path("params.yaml")).architectures)
    )
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--serve", choices=["portable", "fastest"], help=argparse.SUPPRESS)
    return parser.parse_args()


def start(name: str, kind: str, options: argparse.Namespace) -> "subprocess.Popen[str]":
    """Start a process that waits for lines and runs a turn for each."""
    sizes = ["--size", str(options.size), "--batch-size", str(options.batch_size)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.portable", "--models", name, "--serve", kind, *sizes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(worker: "subprocess.Popen[str]") -> str:
    """Let a process take a turn, and wait for its answer."""
    assert worker.stdin and worker.stdout
    print(file=worker.stdin, flush=True)
    return worker.stdout.readline().strip()


def serve(name: str, size: int, batch_size: int, portable: bool) -> None:
    """Answer the first line with the precision, each further one with images/s."""
    params = load(Path("params.yaml"))
    os.environ.update(dict.fromkeys(THREADS, str(params.cpu.threads)))

    import torch

    from cxr.models.networks import build_network
    from stages.train.optimizer import build_optimizer
    from stages.train.trainer import choose_precision

    architecture = params.architectures[name]
    model = build_network(
        *(architecture.timm, 4, architecture.drop_rate, size),
        *(params.training().head, architecture.pyramid_stride),
    ).train()
    model = model.to(memory_format=torch.channels_last)
    precision = choose_precision(params.train.precision, portable, model, torch.device("cpu"))
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    optimizer = build_optimizer(model, params.training())
    images = torch.randn(batch_size, 1, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch_size) % 4
    sys.stdin.readline()
    print(precision, flush=True)
    while sys.stdin.readline():
        seconds = []
        for _ in range(STEPS):
            started = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = torch.nn.functional.cross_entropy(model(images).float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds.append(time.perf_counter() - started)
        print(batch_size / statistics.median(seconds[2:]), flush=True)


if __name__ == "__main__":
    main()
