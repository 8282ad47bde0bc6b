"""Which device to compute on, and exclusive use of GPUs by several runs on one machine.

A GPU's lock file is in a temporary folder of the user and has the device's name as in
CUDA_VISIBLE_DEVICES. Two runs can still get the same GPU if one names it by index and the other by
UUID, or if they belong to different users or to containers without a shared temporary folder.
SLURM gives each job its own GPUs and may number them from 0, so inside a job only the locks of the
same job count. Two jobs without a GPU of their own (no `--gres`), on a node that hides none, can
get the same one.
"""

import os
import tempfile
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout

POLL_SECONDS = 2.0
"""Time between two attempts to find a free GPU."""

# A lock ends with the process, even if it is killed, as long as the process keeps the object.
held_locks: list[FileLock] = []


def default_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    # Compute fp32 convolutions in fp32: TF32, cuDNN's default, keeps 10 of the 23 mantissa bits.
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def reserve_gpus(count: int, when_busy: str) -> None:
    """Lock free GPUs until this process ends, and hide all others from CUDA.

    Call it before anything else uses CUDA, which reads CUDA_VISIBLE_DEVICES once. GPUs that are
    already hidden stay hidden. Nothing happens without a GPU, or if a launcher (torchrun, srun,
    Lightning) started this process and assigned its GPUs.

    Args:
        count: how many GPUs; if this machine has fewer, none is reserved.
        when_busy: what to do if fewer are free: `wait`, or use the `cpu`.
    """
    if started_by_launcher():
        return
    devices = visible_gpus()
    if len(devices) < count:
        return
    locked = lock_gpus(devices, count, lock_folder())
    if not locked:
        action = "waiting for a free one" if when_busy == "wait" else "using the CPU"
        print(f"all GPUs are in use: {action} (gpu.when_busy in params.yaml)", flush=True)
    while not locked and when_busy == "wait":
        time.sleep(POLL_SECONDS)
        locked = lock_gpus(devices, count, lock_folder())
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locked)


def started_by_launcher() -> bool:
    """Whether this is one of several processes that were started together."""
    return "LOCAL_RANK" in os.environ or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1


def visible_gpus() -> list[str]:
    """Return the GPUs this process may use, named as in CUDA_VISIBLE_DEVICES."""
    count = torch.cuda.device_count()
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(index) for index in range(count)] if variable is None else variable.split(",")
    return [name.strip() for name in names[:count]]


def lock_folder() -> Path:
    """Return the folder of the lock files, shared by all repositories and queues of a user."""
    return Path(tempfile.gettempdir()) / f"gpu-locks-{os.getuid()}"


def lock_gpus(devices: list[str], count: int, folder: Path) -> list[str]:
    """Lock the first free devices: either `count` of them or none.

    Returns:
        the locked devices; empty if too few are free.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # With cgroups, the first GPU of every job has the index 0.
    job = f"job-{os.environ['SLURM_JOB_ID']}-" if "SLURM_JOB_ID" in os.environ else ""
    locks: dict[str, FileLock] = {}
    for device in devices:
        lock = FileLock(folder / f"{job}{device.replace('/', '_')}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        locks[device] = lock
        if len(locks) == count:
            held_locks.extend(locks.values())
            return list(locks)
    for lock in locks.values():
        lock.release()
    return []
