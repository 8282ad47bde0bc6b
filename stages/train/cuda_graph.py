"""The forward and backward pass of a network as CUDA graphs.

Python starts the kernels of a step one by one, which takes longer than a GPU needs to run most of
them. A CUDA graph starts all kernels of a pass at once. They are the same kernels in the same
order, so results stay repeatable.
"""

import gc
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

Forward = Callable[[Tensor], Tensor]


def capture(network: nn.Module, images: Tensor, bf16: bool) -> Forward | None:
    """Record both passes of a network, in training mode, for batches of one size.

    Each parameter's gradient is valid until the next backward pass: gradients of several batches
    cannot be added (https://github.com/pytorch/pytorch/issues/181723).

    Args:
        images: float32 (N, 1, S, S) on the GPU. The values do not matter.
        bf16: compute in mixed precision.

    Returns:
        a function from images of this shape to logits, float32 (N, classes), with gradients; None
        if the network cannot be recorded: what it computes depends on values that it reads from the
        GPU, or the memory is too small. A graph keeps that of a whole batch.
    """
    # Python must not free the graph of an earlier network while it records this one.
    gc.collect()
    parameters = dict(network.named_parameters())
    # Aliases of the parameters: recording ties a tensor's AccumulateGrad node to the stream that
    # records, and each backward pass through a parameter itself would wait for that stream.
    recorded = [parameter.detach().requires_grad_() for parameter in parameters.values()]

    def forward(images: Tensor, *values: Tensor) -> Tensor:
        named = dict(zip(parameters, values, strict=True))
        logits: Tensor = functional_call(network, named, (images,))
        return logits

    buffers = [buffer.clone() for buffer in network.buffers()]
    try:
        with torch.autocast("cuda", torch.bfloat16, enabled=bf16, cache_enabled=False):
            graph: Any = torch.cuda.make_graphed_callables(
                forward, (images, *recorded), allow_unused_input=True
            )
    except RuntimeError as error:
        # After a failure, torch's random generator still expects a graph, until one succeeds.
        with torch.cuda.graph(torch.cuda.CUDAGraph()):
            torch.zeros(1, device=images.device)
        reason = str(error).split("\n")[0]
        print(f"training without a CUDA graph: {reason}", flush=True)
        return None
    finally:
        # Batch norm has seen `images` in the meantime.
        with torch.no_grad():
            for buffer, before in zip(network.buffers(), buffers, strict=True):
                buffer.copy_(before)
    # A copy, because the next batch overwrites the graph's output.
    return lambda batch: graph(batch, *parameters.values()).to(torch.float32, copy=True)
