import os
from multiprocessing import get_context

import pytest

from cxr.models import devices

# Real processes, which import torch once.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["cxr.models.devices"])


def hold(connection, folder, gpus, amount, when_busy, environment):
    """Reserve GPUs, send CUDA_VISIBLE_DEVICES, and keep them until told to end."""
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    os.environ.update(environment)
    devices.POLL_SECONDS = 0.02
    devices.visible_gpus = lambda: gpus
    devices.lock_folder = lambda: folder
    devices.reserve_gpus(amount, when_busy)
    connection.send(os.environ.get("CUDA_VISIBLE_DEVICES"))
    connection.recv()


class Held:
    """A process that has reserved GPUs, or still waits for them."""

    def __init__(self, *arguments):
        self.connection, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=hold, args=(theirs, *arguments), daemon=True)
        self.process.start()

    def sees(self):
        assert self.connection.poll(30)
        return self.connection.recv()

    def waits(self):
        return not self.connection.poll(0.5)

    def end(self):
        self.connection.send("end")
        self.process.join(30)


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(amount=1, when_busy="wait", devices=("0", "1"), **environment):
        started.append(Held(tmp_path / "locks", list(devices), amount, when_busy, environment))
        return started[-1]

    yield begin
    for held in started:
        held.process.kill()


def test_each_run_has_a_gpu_of_its_own_and_the_next_waits_for_one(start):
    first, second = start(), start()
    assert {first.sees(), second.sees()} == {"0", "1"}
    third = start()
    assert third.waits()
    second.end()
    assert third.sees() in ("0", "1")


def test_a_killed_run_leaves_its_gpu(start):
    first = start(devices=["0"])
    assert first.sees() == "0"
    second = start(devices=["0"])
    assert second.waits()
    first.process.kill()
    assert second.sees() == "0"


def test_a_run_that_need_not_wait_uses_the_cpu(start):
    first, second = start(devices=["0"]), None
    assert first.sees() == "0"
    second = start(devices=["0"], when_busy="cpu")
    assert second.sees() == ""


def test_training_on_several_takes_that_many_or_none(start):
    first = start()
    assert first.sees() == "0"
    both = start(amount=2)
    assert both.waits()
    # What it could not use it has not kept.
    other = start(when_busy="cpu")
    assert other.sees() == "1"
    first.end()
    other.end()
    assert both.sees() == "0,1"


def test_jobs_of_slurm_have_gpus_of_their_own_by_the_same_name(start):
    first = start(devices=["0"], SLURM_JOB_ID="7")
    assert first.sees() == "0"
    assert start(devices=["0"], SLURM_JOB_ID="8").sees() == "0"
    # As those that `dvc queue start` runs in one job.
    same = start(devices=["0"], SLURM_JOB_ID="7")
    assert same.waits()
    first.end()
    assert same.sees() == "0"


def test_hidden_gpus_are_left_alone(start):
    first = start(devices=["GPU-8a56", "3"])
    assert first.sees() == "GPU-8a56"
    assert start(devices=["GPU-8a56", "3"]).sees() == "3"


@pytest.mark.parametrize(
    ("devices", "amount", "environment"),
    [
        ([], 1, {}),
        (["0"], 2, {}),
        (["0"], 1, {"LOCAL_RANK": "0"}),
        (["0"], 1, {"SLURM_STEP_NUM_TASKS": "4"}),
    ],
)
def test_nothing_is_touched_without_gpus_or_where_a_launcher_deals_them_out(
    start, tmp_path, devices, amount, environment
):
    assert start(amount, devices=devices, **environment).sees() is None
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize(
    ("variable", "count", "names"),
    [
        (None, 2, ["0", "1"]),
        ("2, 3", 2, ["2", "3"]),
        ("GPU-8a56", 1, ["GPU-8a56"]),
        # CUDA ignores what is not there.
        ("0,9", 1, ["0"]),
        ("", 0, []),
    ],
)
def test_gpus_go_by_the_names_that_the_user_gave_them(monkeypatch, variable, count, names):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert devices.visible_gpus() == names
