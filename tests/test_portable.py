"""Train, evaluate and gradcam write the same bytes on every x86-64 CPU with AVX2.

The processor here, the same with its newer features hidden, and an emulated Intel Haswell (2013)
run the three stages on a tiny data set, and one training step and an inference of each network of
params.yaml. The emulator computes floating point in software: hence images of 32 pixels.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.closure import ROOT
from tests.helpers.params import changed

pytestmark = pytest.mark.slow

TINY = {
    "phantom__patients": 16, "prepare__image_size": 32, "split__folds": 3, "model": "simple_cnn",
    "train__epochs": 1, "train__batch_size": 8, "evaluate__resamples": 100,
    "gradcam__images_per_split": 4, "gradcam__perturbed_per_split": 2,
    "gradcam__examples_per_class": 1, "gradcam__novel": "novel",
}  # fmt: skip
DATA = {
    "download": ["downloads=downloads", "raw=raw", "index=index.csv"],
    "prepare": [
        "raw=raw", "index=index.csv", "store=store",
        "pixels=pixels.npy", "masks=masks.npy", "images=images.csv",
    ],
    "dedupe": [
        "images=images.csv", "pixels=pixels.npy",
        "duplicates=duplicates.csv", "metrics=dedupe.json", "plots=plots-dedupe",
    ],
    "split": [
        "images=images.csv", "duplicates=duplicates.csv", "pixels=pixels.npy",
        "split=split.csv", "metrics=split.json", "plots=plots-split",
    ],
}  # fmt: skip
MODEL = {
    "train": ["pixels=pixels.npy", "split=split.csv", "model=out/model", "plots=out/train",
              "state=state"],
    "evaluate": [
        "model=out/model", "training=out/train", "pixels=pixels.npy", "masks=masks.npy",
        "images=images.csv", "split=split.csv", "predictions=out/predictions.csv",
        "metrics=out/test.json", "breakdown=out/breakdown.json", "audit=out/audit.json",
        "plots=out/evaluate",
    ],
    "gradcam": [
        "model=out/model", "predictions=out/predictions.csv", "split=split.csv",
        "pixels=pixels.npy", "masks=masks.npy", "metrics=out/gradcam.json",
        "plots=out/gradcam",
    ],
}  # fmt: skip
# All in one process, because under the emulator the imports take minutes.
RUN = """
import json, runpy, sys
stages, networks = map(json.loads, sys.argv[1:])
for name, *sys.argv[1:] in stages:
    runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)
if networks:
    import hashlib, torch
    from cxr.models.networks import build_network
    from cxr.pipeline.params import load
    from pathlib import Path
    from stages.train.optimizer import create
    params = load(Path("params.yaml"))
    for name in networks:
        torch.manual_seed(0)
        architecture = params.architectures[name]
        network = build_network(architecture.timm, 3, architecture.drop_rate)
        network = network.train().to(memory_format=torch.channels_last)
        optimizer = create(network, params.train, architecture.lr)
        # Two cells of a map at least, without which normalization has nothing to normalize.
        images, labels = torch.randn(2, 1, 32, 32), torch.tensor([0, 1])
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
        with torch.inference_mode():
            logits = network.eval()(images)
        digest = hashlib.sha256(logits.numpy().tobytes())
        for tensor in network.state_dict().values():
            digest.update(tensor.contiguous().numpy().tobytes())
        print(f"network {name} {digest.hexdigest()}", flush=True)
"""
HIDDEN = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-ERMS",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "OPENCV_IPP": "disabled",
    # What a machine sets for itself must not count.
    "OPENBLAS_CORETYPE": "Nehalem",
    "OMP_NUM_THREADS": "1",
}


def run(
    folder: Path,
    stages: dict[str, list[str]],
    networks: list[str],
    variables: dict[str, str],
    emulator: tuple[str, ...] = (),
) -> dict[str, str]:
    """Run stages and networks in a folder; the hash of each network and of each file in out/."""
    commands = []
    for stage, paths in stages.items():
        words = [word for path in paths for word in f"--{path}".split("=")]
        commands.append([stage, "--params", "params.yaml", *words])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    result = subprocess.run(
        [*emulator, sys.executable, "-c", RUN, json.dumps(commands), json.dumps(networks)],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines() if line.startswith("network ")]
    hashes = {name: digest for _, name, digest in lines}
    for path in sorted((folder / "out").rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the data stages write, which is the same everywhere (test_same_bytes)."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "novel").mkdir()
    changed(folder, **TINY)
    run(folder, DATA, [], {})
    return folder


@pytest.fixture(scope="module")
def networks() -> list[str]:
    from cxr.pipeline.params import load

    return list(load(ROOT / "params.yaml").architectures)


@pytest.fixture(scope="module")
def here(
    data: Path, networks: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = shutil.copytree(data, tmp_path_factory.mktemp("here") / "run")
    return run(folder, MODEL, networks, {})


def test_newer_features_of_the_processor_change_nothing(
    data: Path, networks: list[str], here: dict[str, str], tmp_path: Path
) -> None:
    assert len(here) > 30
    assert run(shutil.copytree(data, tmp_path / "run"), MODEL, networks, HIDDEN) == here


def test_an_emulated_processor_of_2013_gives_the_same(
    data: Path, networks: list[str], here: dict[str, str], tmp_path: Path
) -> None:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("no qemu-x86_64 (Debian: apt-get install qemu-user)")
    folder = shutil.copytree(data, tmp_path / "run")
    assert run(folder, MODEL, networks, {}, (emulator, "-cpu", "Haswell")) == here


def test_without_the_setting_the_environment_is_the_users(
    data: Path, networks: list[str], tmp_path: Path
) -> None:
    # The other way round: the threads count, so that the tests above compare something.
    folders = [shutil.copytree(data, tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        changed(folder, **TINY, cpu__portable=False)
    one, two = (
        run(folder, {"train": MODEL["train"]}, ["resnet18"], {"OMP_NUM_THREADS": threads})
        for folder, threads in zip(folders, ("1", "2"), strict=True)
    )
    assert one["resnet18"] != two["resnet18"]
