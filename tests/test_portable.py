"""Train, evaluate and gradcam write the same bytes on every x86-64 CPU with AVX2.

The processor here, the same with its newer features hidden, and an emulated Intel Haswell (2013)
run the three stages on a tiny data set, and one training step and an inference of each network of
params.yaml. The emulator computes floating point in software: hence images of 32 pixels.
"""

import shutil
from pathlib import Path

import pytest

from tests.helpers.closure import ROOT
from tests.helpers.params import changed
from tests.helpers.stage_runs import DATA, file_hashes, run_stages

pytestmark = pytest.mark.slow

TINY = {
    "phantom__patients": 16, "prepare__image_size": 32, "split__folds": 3, "model": "simple_cnn",
    "recipes__scratch__epochs": 1, "recipes__scratch__batch_size": 8, "evaluate__resamples": 100,
    "gradcam__images_per_split": 4, "gradcam__perturbed_per_split": 2,
    "gradcam__examples_per_class": 1, "gradcam__novel": "novel",
}  # fmt: skip
MODEL = {
    "train": ["pixels=pixels.npy", "split=split.csv", "model=out/model",
              "curves=out/epochs.csv", "augmented=out/augmented", "checkpoints=checkpoints"],
    "evaluate": [
        "model=out/model", "epochs=out/epochs.csv", "augmented=out/augmented",
        "pixels=pixels.npy", "masks=masks.npy", "images=images.csv", "split=split.csv",
        "predictions=out/predictions.csv", "metrics=out/test.json", "audit=out/audit.json",
        "details=out/details.json", "audit-details=out/audit_details.json",
        "curves=out/curves", "projection=out/projection.csv", "plots=out/evaluate",
    ],
    "gradcam": [
        "model=out/model", "predictions=out/predictions.csv", "split=split.csv",
        "pixels=pixels.npy", "masks=masks.npy", "lesions=lesions.npy",
        "metrics=out/gradcam.json",
        "details=out/heatmaps.json", "plots=out/gradcam",
    ],
}  # fmt: skip
# A training step and an inference of each network in the file `networks`.
STEPS = """
import hashlib, torch
from cxr.models.networks import build_network
from cxr.pipeline.params import load
from pathlib import Path
from stages.train.optimizer import build_optimizer
params = load(Path("params.yaml"))
for name in Path("networks").read_text().split():
    torch.manual_seed(0)
    architecture = params.architectures[name]
    network = build_network(
        *(architecture.timm, 3, architecture.drop_rate, 32, "pyramid", architecture.pyramid_stride)
    )
    network = network.train().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(network, params.training())
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
    networks: list[str],
    variables: dict[str, str],
    stages: dict[str, list[str]] = MODEL,
    emulator: tuple[str, ...] = (),
) -> dict[str, str]:
    """Run stages and networks in a folder; the hash of each network and of each file in out/."""
    (folder / "networks").write_text(" ".join(networks))
    # All in one process, because under the emulator the imports take minutes.
    printed = run_stages(folder, stages, variables, STEPS, emulator)
    lines = [line.split() for line in printed.splitlines() if line.startswith("network ")]
    return {name: digest for _, name, digest in lines} | file_hashes(folder / "out")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the data stages write, which is the same everywhere (test_same_bytes)."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "novel").mkdir()
    changed(folder, **TINY)
    run_stages(folder, DATA, {})
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
    return run(folder, networks, {})


def test_newer_features_of_the_processor_change_nothing(
    data: Path, networks: list[str], here: dict[str, str], tmp_path: Path
) -> None:
    assert len(here) > 30
    assert run(shutil.copytree(data, tmp_path / "run"), networks, HIDDEN) == here


def test_an_emulated_processor_of_2013_gives_the_same(
    data: Path, networks: list[str], here: dict[str, str], tmp_path: Path
) -> None:
    emulator = shutil.which("qemu-x86_64")
    if emulator is None:
        pytest.skip("no qemu-x86_64 (Debian: apt-get install qemu-user)")
    folder = shutil.copytree(data, tmp_path / "run")
    assert run(folder, networks, {}, emulator=(emulator, "-cpu", "Haswell")) == here


def test_without_the_setting_the_environment_is_the_users(
    data: Path, networks: list[str], tmp_path: Path
) -> None:
    # The other way round: the threads count, so that the tests above compare something.
    folders = [shutil.copytree(data, tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        changed(folder, **TINY, cpu__portable=False)
    one, two = (
        run(folder, ["resnet18"], {"OMP_NUM_THREADS": threads}, {"train": MODEL["train"]})
        for folder, threads in zip(folders, ("1", "2"), strict=True)
    )
    assert one["resnet18"] != two["resnet18"]
