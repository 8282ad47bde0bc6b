import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import load_file

from cxr.models.classifier import Classifier
from cxr.models.networks import build_network
from cxr.models.ood import OodDetector
from cxr.pipeline import tables
from cxr.pipeline.errors import UserError
from tests.helpers.builders import prepared
from tests.helpers.training import CURVES, OFF, contents, curve


def test_writes_a_model_that_describes_itself_and_its_curves(train, small, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    folder = train(epochs=3)

    info = Classifier.load(folder / "model").info
    pixels = np.load(small / "pixels.npy")[:36] / 255
    assert (info.architecture, info.timm, info.size) == ("simple_cnn", "simple_cnn", 32)
    assert info.classes == ["COVID", "Lung_Opacity", "Normal"]
    assert (info.mean, info.std) == pytest.approx((pixels.mean(), pixels.std()))
    assert info.weights == "scratch"
    assert info.mirrored
    prepare = YAML(typ="safe").load(folder / "params.yaml")["prepare"]
    assert info.prepare == {name: prepare[name] for name in info.prepare}
    assert info.prepare.keys() | {"image_size", "backend"} == prepare.keys()
    split = tables.read(small / "split.csv", tables.Split)
    held_out = split["row"][split["split"] == "val"].to_numpy()
    detector = OodDetector.load(folder / "model")
    distances = detector.distances(np.load(small / "pixels.npy"), held_out)
    assert distances.max() <= detector.threshold + 1e-5
    assert all(len(curve(folder, name)) == 3 for name in CURVES)
    assert list(elsewhere.iterdir()) == []
    written = {"params.yaml", "model", "epochs.csv", "augmented"}
    assert {path.name for path in folder.iterdir()} == written


def test_the_same_bytes_again_with_any_number_of_workers(train):
    first = contents(train("first", model="mobilenetv2", batch_size=18))
    assert contents(train("again", model="mobilenetv2", batch_size=18, workers=2)) == first


def test_another_seed_gives_another_network(train):
    assert contents(train("first", epochs=1)) != contents(train("other", epochs=1, seed=1))


def test_learns(train, tmp_path):
    inputs = prepared(tmp_path / "inputs", images=150)
    folder = train(inputs=inputs, epochs=6, batch_size=8, lr=0.003)
    assert max(curve(folder, "val/balanced_accuracy")) > 0.9


def validation_loss(folder, inputs):
    """Of the network in the model folder."""
    classifier = Classifier.load(folder / "model")
    split = tables.read(inputs / "split.csv", tables.Split)
    rows = split[split["split"] == "val"]
    logits = classifier.logits(np.load(inputs / "pixels.npy"), rows["row"].to_numpy())
    labels = torch.tensor([classifier.info.classes.index(label) for label in rows["target"]])
    return torch.nn.functional.cross_entropy(torch.from_numpy(logits), labels).item()


@pytest.mark.parametrize("monitor", ["loss", "auroc"])
def test_keeps_the_epoch_that_was_best(train, small, monitor):
    folder = train(monitor=monitor, epochs=4, lr=0.02)
    values = curve(folder, f"val/{monitor}")
    best = values.index(min(values) if monitor == "loss" else max(values))
    assert validation_loss(folder, small) == pytest.approx(
        curve(folder, "val/loss")[best], abs=1e-4
    )


def test_keeps_the_last_epoch_where_that_is_asked_for(train, small, capsys):
    # Learns nothing, so that by balanced accuracy the first epoch is as good as any.
    folder = train(monitor="last", epochs=4, lr=0.3, augment=OFF)
    assert len(set(curve(folder, "val/balanced_accuracy"))) == 1
    assert list(pd.read_csv(folder / "epochs.csv")["best"]) == [0, 0, 0, 1]
    assert validation_loss(folder, small) == pytest.approx(curve(folder, "val/loss")[-1], rel=1e-4)
    assert "kept the last epoch, 4" in capsys.readouterr().out


def test_test_images_are_not_looked_at(train, small, tmp_path):
    changed = tmp_path / "changed"
    changed.mkdir()
    pixels = np.load(small / "pixels.npy")
    pixels[48:] = 0
    np.save(changed / "pixels.npy", pixels)
    (changed / "split.csv").write_bytes((small / "split.csv").read_bytes())
    assert contents(train("one", epochs=1)) == contents(train("two", epochs=1, inputs=changed))


def test_a_frozen_backbone_keeps_its_weights_and_statistics(train, small):
    folder = train(
        model="mobilenetv3",
        epochs=1,
        batch_size=36,
        freeze_epochs=1,
        head="pooled",
        augment=OFF,
        test_time_flip=True,
    )
    torch.manual_seed(0)
    before = build_network("mobilenetv3_large_100", 3).state_dict()
    after = load_file(folder / "model/model.safetensors")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    # The model says how it was trained.
    classifier = Classifier.load(folder / "model")
    info, split = classifier.info, tables.read(small / "split.csv", tables.Split)
    assert (info.mirrored, info.test_time_flip) == (False, True)
    held_out = split[split["split"] == "val"]
    rows, names = held_out["row"].to_numpy(), held_out["target"].to_numpy()
    probs = classifier.probs(np.load(small / "pixels.npy"), rows)[:, 0]
    expected = sorted(probs[names == info.classes[0]])
    assert info.validation_probs[info.classes[0]] == pytest.approx(expected, abs=2e-6)
    assert info.pyramid_stride == 4


@pytest.mark.parametrize("freeze_epochs", [1, 2])
def test_a_backbone_is_trained_after_the_frozen_epochs(train, freeze_epochs):
    folder = train(epochs=2, freeze_epochs=freeze_epochs, monitor="last")
    after = load_file(folder / "model/model.safetensors")
    torch.manual_seed(0)
    before = build_network("simple_cnn", 3, 0.5, head="pyramid").state_dict()
    stem = "backbone.features.0.0.weight"
    frozen = torch.equal(after[stem], before[stem])
    assert frozen == (freeze_epochs == 2)
    assert not torch.equal(after["classifier.weight"], before["classifier.weight"])


def test_each_optimizer_is_its_own_and_learns(train):
    losses = {
        optimizer: curve(train(optimizer, optimizer=optimizer, epochs=6, lr=lr), "train/loss")
        for optimizer, lr in (("adamw", 0.003), ("adam", 0.003), ("sgd", 0.03))
    }
    assert losses["adam"] != losses["adamw"]
    assert losses["sgd"] != losses["adamw"]
    assert all(values[-1] < values[0] for values in losses.values())


def test_a_last_batch_of_one_image_is_no_trouble(train):
    train(model="resnet18", epochs=1, batch_size=35)


def test_weights_that_the_last_step_broke_are_not_kept(train, tmp_path):
    # One step only: its own loss was still a number.
    with pytest.raises(UserError, match=r"epoch 1, after its last step.*recipes\.scratch\.lr"):
        train(epochs=1, batch_size=36, optimizer="sgd", lr=1e30, warmup_epochs=0.0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"params.yaml"}


def test_a_loss_that_is_no_number_stops_with_epoch_and_step(train, tmp_path):
    with pytest.raises(UserError, match=r"epoch 1, step [12].*recipes\.scratch\.lr"):
        train(optimizer="sgd", lr=1e30, warmup_epochs=0.0)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"params.yaml"}


def test_a_monitor_that_validation_does_not_define_is_refused(train, small, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    np.save(inputs / "pixels.npy", np.load(small / "pixels.npy"))
    split = tables.read(small / "split.csv", tables.Split)
    split["split"] = split["split"].where(
        (split["split"] != "val") | (split["target"] == "Normal"), ""
    )
    tables.write(inputs / "split.csv", split, tables.Split)
    with pytest.raises(UserError, match=r"recipes\.scratch\.monitor: auroc"):
        train(inputs=inputs, monitor="auroc", epochs=1)


@pytest.mark.parametrize("commit", [False, True])
def test_works_in_a_git_repository_with_and_without_a_commit(train, tmp_path, monkeypatch, commit):
    repository = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    if commit:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(
            ["git", *author, "commit", "-q", "--allow-empty", "-m", "Start"],
            cwd=repository,
            check=True,
        )
    monkeypatch.chdir(repository)
    assert len(curve(train(epochs=1), "val/loss")) == 1
    assert [path.name for path in repository.iterdir()] == [".git"]
