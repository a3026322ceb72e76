"""Writes torch.pt, the file of a state dict as PyTorch itself saves it; run with torch installed. test_torch_file.py
knows what is in it."""

from collections import OrderedDict
from pathlib import Path

import torch


def main() -> None:
    """Tensors of several types, a transposed view, two that share a storage, a parameter."""
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 8
    state = OrderedDict(
        plain=base.clone(),
        transposed=base.clone().T,
        row=base[2],
        part=base[1:3, ::2],
        parameter=torch.nn.Parameter(base[0].clone()),
        half=base.to(torch.float16),
        brain=base.to(torch.bfloat16),
        double=base.double(),
        steps=torch.tensor(7),
        empty=torch.zeros(0, 3),
    )
    state._metadata = OrderedDict([("", {"version": 1})])
    torch.save({"epoch": 3, "lr": 1e-3, "done": False, "state_dict": state}, Path(__file__).with_name("torch.pt"))


if __name__ == "__main__":
    main()
