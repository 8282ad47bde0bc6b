"""A GPU of its own for each run: those that share a machine lock the devices they use.

A lock is named after the device, as CUDA_VISIBLE_DEVICES has it, in a folder of the user. Two runs
get the same GPU if one has it by its number and the other by its UUID, or if they are of different
users or in containers that share no temporary folder. Within a job of SLURM, which gives each job
GPUs of its own and may number them from 0, runs heed the locks of their own job alone: two jobs
that were given no GPU of their own (no `--gres`), on a node that hides none, can meet on one.
"""

import os
import tempfile
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout

POLL = 2.0
"""Seconds between two looks for a free GPU."""

# Locks end with the process, also if it is killed, as long as it keeps these.
held: list[FileLock] = []


def reserve(amount: int, when_busy: str) -> None:
    """Keep free GPUs for this process until it ends, and let CUDA see no others.

    To be called before anything else asks for a GPU: CUDA reads CUDA_VISIBLE_DEVICES once. GPUs
    that the variable hides are left alone. Without a GPU nothing happens, nor where a launcher
    (torchrun, srun, Lightning) started this process and dealt them out.

    Args:
        amount: how many; if this machine has fewer, nothing is reserved.
        when_busy: if so many are not free: `wait` until they are, or use the `cpu`.
    """
    if launched():
        return
    devices = visible()
    if len(devices) < amount:
        return
    taken = take(devices, amount, lock_folder())
    if not taken:
        others = "waiting for them" if when_busy == "wait" else "going on without"
        print(f"other runs use the GPUs: {others} (gpu.when_busy in params.yaml)", flush=True)
    while not taken and when_busy == "wait":
        time.sleep(POLL)
        taken = take(devices, amount, lock_folder())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def launched() -> bool:
    """Whether this is one of several processes that were started together."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def visible() -> list[str]:
    """The GPUs that this process may use, by the names that CUDA_VISIBLE_DEVICES has for them."""
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(number) for number in range(count)] if named is None else named.split(",")
    return [name.strip() for name in names[:count]]


def lock_folder() -> Path:
    """Where all repositories and queued experiments of a user look for locks."""
    return Path(tempfile.gettempdir()) / f"gpu-locks-{os.getuid()}"


def take(devices: list[str], amount: int, folder: Path) -> list[str]:
    """Lock the first free devices, all of the amount or none.

    Returns:
        those that were locked; none if too few are free.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # With cgroups, the first GPU of every job is called 0.
    job = f"job-{os.environ['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in os.environ else ""
    taken: dict[str, FileLock] = {}
    for device in devices:
        lock = FileLock(folder / f"{job}{device.replace('/', '_')}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        taken[device] = lock
        if len(taken) == amount:
            held.extend(taken.values())
            return list(taken)
    for lock in taken.values():
        lock.release()
    return []
