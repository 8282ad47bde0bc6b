"""Networks whose batch norm has seen data."""

import torch


def random_statistics(model: torch.nn.Module) -> torch.nn.Module:
    """Give batch norm random statistics and weights, as after training."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    return model.eval()
