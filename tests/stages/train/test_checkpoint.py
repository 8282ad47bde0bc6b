import signal
from pathlib import Path

import pytest
import torch

from stages.train.checkpoint import checkpoint_path
from tests.helpers.builders import prepared
from tests.helpers.training import Killed, arguments, contents, start


@pytest.mark.slow
def test_a_killed_run_resumes_and_ends_with_the_same_bytes(train, tmp_path, capsys):
    # Enough images that an epoch takes longer than the signal.
    inputs = prepared(tmp_path / "inputs", images=300)
    settings = {"epochs": 4, "batch_size": 4, "workers": 2}
    expected = contents(train("whole", inputs=inputs, **{**settings, "workers": 0}))
    assert list((tmp_path / "checkpoints").iterdir()) == []

    process = start(arguments(tmp_path / "killed", inputs, **settings))
    lines = []
    while not any(line.startswith("epoch 2/4") for line in lines):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {"params.yaml"}

    capsys.readouterr()
    assert contents(train("again", inputs=inputs, **settings)) == expected
    # Killed while the state of epoch 2 was written or later.
    assert capsys.readouterr().out.count("\nepoch ") in (2, 3)
    assert list((tmp_path / "checkpoints").iterdir()) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "mobilenetv2", "batch_size": 18},
        {"optimizer": "sgd", "freeze_epochs": 1, "monitor": "auroc"},
    ],
)
def test_the_whole_state_is_kept(train, interrupted, settings):
    expected = contents(train("whole", epochs=3, **settings))
    interrupted("first", epoch=1, step=1, epochs=3, **settings)
    interrupted("second", epoch=2, step=0, epochs=3, **settings)
    assert contents(train("third", epochs=3, **settings)) == expected


def test_a_run_killed_while_it_wrote_its_outputs_writes_them_again(train, tmp_path, monkeypatch):
    expected = contents(train("whole"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("stages.train.__main__.write_curves", lambda *_: raise_(Killed))
        train("killed")
    assert contents(train("again")) == expected


def raise_(error: type[BaseException]) -> None:
    raise error


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"lr": 0.002}, {"architecture": {"lr_factor": 0.2}}]
)
def test_another_training_begins_at_its_beginning(train, interrupted, change):
    expected = contents(train("whole", **change))
    interrupted("killed", epoch=1, step=0)
    assert contents(train("other", **change)) == expected


def test_the_name_depends_on_the_content_of_the_inputs_and_the_settings(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("1")
    name = checkpoint_path(tmp_path, "net", [first], {"a": 1, "b": 2})
    assert name == checkpoint_path(tmp_path, "net", [second], {"b": 2, "a": 1})
    assert name != checkpoint_path(tmp_path, "net", [first], {"a": 1, "b": 3})
    second.write_text("2")
    assert name != checkpoint_path(tmp_path, "net", [second], {"a": 1, "b": 2})


def test_a_state_is_read_as_plain_data(train, interrupted, tmp_path):
    interrupted("killed", epoch=1, step=0)
    (state,) = (tmp_path / "checkpoints").iterdir()
    assert torch.load(state, weights_only=True)["history"]
    trap = tmp_path / "sprung"
    torch.save({"state_dict": Hostile(trap)}, state)
    with pytest.raises(Exception, match="Weights only load failed"):
        train("again")
    assert not trap.exists()


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.mkdir, (self.path,)
