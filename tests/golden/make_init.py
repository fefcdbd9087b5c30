#!/usr/bin/env python3
"""Writes init.txt: the weights with which PyTorch's layers start, call by call.

    python3 tests/golden/make_init.py            # needs: pip install torch

One line is one call; all draw from the global generator, so the lines continue one another.

    call arguments : tensors, each as its hash and its first three values

The hash is FNV-1a of the float32 values, 4 bytes each; values are float32 as bits; both are
hexadecimal. No date and no version: again gives the same bytes. (PyTorch 2.13, Linux, x86-64.)
"""
import os
import struct

import torch
from torch import nn


def fnv1a(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h


def empty(*shape):
    return torch.empty(*shape)


def weights(module):
    return [p.detach() for p in module.parameters()]


CALLS = {
    "seed": lambda s: torch.manual_seed(s) and [],
    "linear": lambda i, o: weights(nn.Linear(i, o)),
    "linear_no_bias": lambda i, o: weights(nn.Linear(i, o, bias=False)),
    "conv": lambda o, i, h, w: weights(nn.Conv2d(i, o, (h, w), bias=False)),
    "conv1x1": lambda i, o: weights(nn.Conv2d(i, o, 1)),
    "embedding": lambda v, d: weights(nn.Embedding(v, d)),
    "embedding_padding": lambda v, d, p: weights(nn.Embedding(v, d, padding_idx=p)),
    "layer_norm": lambda d: weights(nn.LayerNorm(d)),
    # in_proj_weight, in_proj_bias, out_proj.weight, out_proj.bias
    "multi_head": lambda d, h: weights(nn.MultiheadAttention(d, h, batch_first=True)),
    "learned_positions": lambda d, t: [nn.init.normal_(empty(t, d), std=0.02)],
    # the document's block: query, key, value
    "self_attention_2d": lambda c: [p for out in (c // 8, c // 8, c)
                                    for p in weights(nn.Conv2d(c, out, 1))],
    # layer by layer, forwards and backwards: weight_ih, weight_hh, bias_ih, bias_hh
    "gru": lambda i, h, layers, both: weights(nn.GRU(i, h, layers, bidirectional=both == 1)),
    "kaiming_uniform": lambda *s: [nn.init.kaiming_uniform_(empty(*s), nonlinearity="relu")],
    "xavier_uniform": lambda g, *s: [nn.init.xavier_uniform_(empty(*s), gain=g)],
    "xavier_normal": lambda g, *s: [nn.init.xavier_normal_(empty(*s), gain=g)],
}

PROGRAM = [
    ("seed", 0), ("linear", 10, 100), ("linear", 100, 26),  # lesson 01's network
    ("seed", 0), ("linear", 3, 2), ("linear_no_bias", 1, 1), ("linear", 7, 513),
    ("linear", 26, 1),
    ("conv", 4, 3, 1, 1), ("conv", 5, 2, 3, 3),
    ("seed", 42), ("kaiming_uniform", 4, 9), ("kaiming_uniform", 6, 2, 3, 5),
    ("xavier_uniform", 1, 5, 12), ("xavier_uniform", 1.5, 33, 2),
    ("xavier_uniform", 1, 4, 2, 3, 3),
    ("xavier_normal", 1, 2, 3), ("xavier_normal", 1, 8, 8), ("xavier_normal", 0.5, 5, 7),
    ("linear", 2, 2),  # what the normals have left behind
    ("seed", 0), ("embedding", 1000, 512), ("multi_head", 512, 8),  # lesson 02's
    ("seed", 0), ("embedding", 5, 3), ("embedding_padding", 7, 5, 2), ("layer_norm", 5),
    ("seed", 0), ("multi_head", 12, 3), ("multi_head", 3, 1), ("learned_positions", 6, 5),
    ("seed", 0), ("conv1x1", 3, 4), ("self_attention_2d", 16), ("self_attention_2d", 9),
    ("linear", 2, 2),
    ("seed", 0), ("gru", 5, 6, 1, 0), ("gru", 3, 4, 2, 1), ("linear", 2, 2),
]

if __name__ == "__main__":
    torch.set_num_threads(1)
    lines = ["# made by make_init.py, which says what is what"]
    for call, *arguments in PROGRAM:
        words = [call, *map(str, arguments), ":"]
        for t in CALLS[call](*arguments):
            data = t.contiguous().numpy().tobytes()
            words += [f"{fnv1a(data):x}"]
            words += [f"{v:x}" for v in struct.unpack(f"<{t.numel()}I", data)[:3]]
        lines.append(" ".join(words))
    lines.append(f"end {len(PROGRAM)}")
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "init.txt")
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    print(f"init.txt: {len(PROGRAM)} calls, {os.path.getsize(path)} bytes")
