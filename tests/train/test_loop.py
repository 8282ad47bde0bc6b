import pytest
import torch

from stages import models
from stages.train.loop import choose_precision, out_of_memory
from stages.train.loss import class_weights
from stages.train.optimizer import lr_factor

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("features", "name", "expected"),
    [
        ({"amx_bf16": True}, "resnet18", "bf16"),
        ({"avx512_bf16": True}, "densenet121", "bf16"),
        ({"amx_bf16": True}, "mobilenetv2_100", "fp32"),
        ({"amx_bf16": True}, "efficientnet_b0", "fp32"),
        ({"avx512_f": True}, "resnet18", "fp32"),
    ],
)
def test_bf16_on_a_cpu_is_for_those_that_have_it_and_dense_convolutions(
    monkeypatch, features, name, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert choose_precision("auto", models.build(name, 2), CPU) == expected


def test_a_set_precision_is_used():
    model = models.build("resnet18", 2)
    assert choose_precision("bf16", model, CPU) == "bf16"
    assert choose_precision("fp32", model, CPU) == "fp32"


def test_out_of_memory_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not out_of_memory(RuntimeError("shape mismatch"))


def test_the_learning_rate_rises_then_falls_along_a_cosine():
    rates = [lr_factor(step, warmup=4, total=24) for step in range(-2, 24)]
    assert rates[:2] == [1, 1]
    assert rates[2:7] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[16] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01


def test_class_weights_count_each_class_the_same():
    labels = torch.tensor([0] * 6 + [1] * 3 + [2]).numpy()
    weights = class_weights(labels, 3, "weights")
    assert (weights * torch.tensor([6, 3, 1])).tolist() == pytest.approx([10 / 3] * 3)
    assert class_weights(labels, 3, "none").tolist() == [1, 1, 1]
