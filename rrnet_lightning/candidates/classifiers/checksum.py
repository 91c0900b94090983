"""Telling one set of weights from another."""

import hashlib

import torch
from torch import nn


def weights_checksum(module: nn.Module) -> str:
    """Return the sha256 of a module's weights and buffers, with their names and shapes, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
