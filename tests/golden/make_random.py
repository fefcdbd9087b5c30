#!/usr/bin/env python3
"""Writes random.txt: what PyTorch's CPU generator draws, call by call.

    python3 tests/golden/make_random.py          # needs: pip install torch

One line is one call on the global generator; the lines continue one another's stream.

    call arguments : hash next first values ...

hash: FNV-1a of all values (float32: 4 bytes each, integers: 8); next: one 64-bit draw after
the call, which shows whether the call took as many words as it should; then up to six values
(float32 as bits). All of these are hexadecimal, integers modulo 2^64. The reference is Linux on
an x86-64 CPU with AVX2; other builds of PyTorch differ in last bits. Running this again writes
the same bytes.
"""
import os
import platform
import struct
import sys

import torch
from torch.utils.data import DataLoader

loaders = {}  # one per set of arguments, as a training program keeps one over its epochs


def loader(n, batch, shuffle, drop_last=False):
    key = (n, batch, shuffle, drop_last)
    if key not in loaders:
        loaders[key] = DataLoader(range(n), batch, shuffle, drop_last=drop_last)
    return loaders[key]


def raw(n):
    return torch.empty(n, dtype=torch.int64).random_(-(2**63), None)


def batches(n, batch, shuffle, drop_last):
    """Each batch as its size and its indices."""
    values = []
    for indices in loader(n, batch, bool(shuffle), bool(drop_last)):
        values += [len(indices), *indices.tolist()]
    return values


CALLS = {
    "seed": lambda s: [torch.manual_seed(s).initial_seed()],
    "raw": raw,
    "uniform": lambda n, low, high: torch.empty(n).uniform_(low, high),
    "normal": lambda n, mean, std: torch.empty(n).normal_(mean, std),
    "normals": lambda calls, n: torch.cat([torch.randn(n) for _ in range(calls)]),
    "bernoulli": lambda n, p: torch.empty(n).bernoulli_(p),
    "dropout": lambda n, p: (torch.nn.functional.dropout(torch.ones(n), p) != 0).float(),
    "randint": lambda n, low, high: torch.randint(low, high, (n,)),
    "random_i64": lambda n: torch.empty(n, dtype=torch.int64).random_(),
    "randperm": torch.randperm,
    "loader": lambda n, shuffle: next(iter(loader(n, n, bool(shuffle)))),
    "batches": batches,
}


def program():
    for s in (0, 1, 42, 2**31, 2**32 - 1, 2**32 + 5, 2**64 - 1):
        yield "seed", s
        yield "raw", 4
        yield "uniform", 1000, 0, 1
        yield "normal", 100, 0, 1
    yield "seed", 3
    yield "raw", 700  # more than two refills of the engine's 624 words

    yield "seed", 9
    for low, high in ((0, 1), (-0.1, 0.3), (5, 1e4), (-0.05, 0.05), (2.5, 2.5), (0, 0)):
        for n in (0, 1, 7, 3000):
            yield "uniform", n, low, high
    yield "uniform", 20000, 1000, 1001  # some round up to 1001, which is not in the range

    for mean, std in ((0, 1), (0.3, 2.7), (2, 3), (-1, 0), (1e-3, 0.02)):
        yield "seed", 10
        for n in (0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 1000, 1001, 4096, 40000):
            yield "normal", n, mean, std
    # The second normal of a pair waits: through fills and other calls, but not through seeding.
    yield "seed", 11
    yield "normal", 3, 0, 1
    yield "normal", 32, 0, 1
    yield "uniform", 5, 0, 1
    yield "normal", 17, 0, 1
    yield "normal", 1, 2, 3
    yield "normal", 1, 0, 1
    yield "seed", 11
    yield "normal", 2, 0, 1
    yield "normals", 20000, 15

    yield "seed", 12
    for low, high in ((0, 1), (0, 10), (-5, 1000), (0, 2**28 - 1), (0, 2**28),
                      (-(2**27), 2**27 + 1), (0, 2**32 - 1), (0, 2**32), (-3, 10**12),
                      (-(2**62), 2**62), (-(2**63), 2**63 - 1)):
        yield "randint", 500, low, high
    yield "random_i64", 500

    for n in (0, 1, 2, 3, 5, 100, 10007):
        yield "seed", n
        yield "randperm", n

    yield "seed", 21
    for p in (0, 0.1, 0.5, 0.7, 1):
        yield "bernoulli", 2000, p
    for p in (0.1, 0.25, 0.3, 0.5, 0.9):
        yield "dropout", 2000, p
    torch.manual_seed(22)
    first = (int(raw(1)) & (2**53 - 1)) / 2**53
    yield "seed", 22
    yield "bernoulli", 5, first  # the first coin's number is p itself: not below it

    for n in (1, 2, 10, 257, 1000):
        yield "seed", n
        for _ in range(3):
            yield "loader", n, 1
            yield "uniform", 3, 0, 1
        yield "loader", n, 0
        yield "normal", 3, 0, 1
    for n, batch, drop in ((10, 3, 0), (10, 5, 0), (10, 3, 1), (257, 32, 0), (1, 4, 0),
                           (3, 4, 1), (64, 64, 1)):
        for shuffle in (1, 0):
            for _ in range(2):
                yield "batches", n, batch, shuffle, drop
                yield "bernoulli", 5, 0.5


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def line(call, *arguments):
    values = CALLS[call](*arguments)
    if torch.is_tensor(values) and values.dtype == torch.float32:
        data = struct.pack(f"<{len(values)}f", *values.tolist())
        first = [data[i : i + 4][::-1].hex() for i in range(0, min(len(data), 24), 4)]
    else:
        values = [int(v) % 2**64 for v in values]
        data = struct.pack(f"<{len(values)}Q", *values)
        first = [f"{v:x}" for v in values[:6]]
    after = 0 if call == "seed" else int(raw(1)) % 2**64
    given = " ".join([call, *map(repr, arguments)])
    return " ".join([given, ":", f"{fnv1a(data):016x}", f"{after:016x}", *first])


def main():
    cpu = torch.backends.cpu.get_cpu_capability()
    if cpu not in ("AVX2", "AVX512") or not sys.platform.startswith("linux"):
        sys.exit(f"the reference is Linux on x86-64 with AVX2, not {sys.platform}, {cpu}")
    lines = [line(*step) for step in program()]
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "random.txt")
    with open(path, "w") as out:
        out.write(f"# Made by make_random.py: torch {torch.__version__}, {cpu}, "
                  f"python {platform.python_version()}\n")
        out.write("".join(f"{text}\n" for text in lines) + f"end {len(lines)}\n")


if __name__ == "__main__":
    main()
