import pytest
import torch

from cxr.models.networks import build_network
from cxr.pipeline.errors import UserError
from stages.train.trainer import choose_precision, out_of_memory

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
    assert choose_precision("auto", False, build_network(name, 2), CPU) == expected


def test_a_set_precision_is_used():
    model = build_network("resnet18", 2)
    assert choose_precision("bf16", False, model, CPU) == "bf16"
    assert choose_precision("fp32", False, model, CPU) == "fp32"


def test_a_portable_run_is_in_fp32_on_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    model = build_network("resnet18", 2)
    assert choose_precision("auto", True, model, CPU) == "fp32"
    with pytest.raises(UserError, match=r"bf16 differs between CPUs: set cpu\.portable to false"):
        choose_precision("bf16", True, model, CPU)


def test_a_portable_run_changes_nothing_on_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    gpu = torch.device("cuda")
    assert choose_precision("auto", True, build_network("resnet18", 2), gpu) == "bf16"
    assert choose_precision("bf16", True, build_network("resnet18", 2), gpu) == "bf16"


def test_out_of_memory_is_told_from_other_errors():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    assert out_of_memory(caught.value)
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not out_of_memory(RuntimeError("shape mismatch"))
