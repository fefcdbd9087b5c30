#!/usr/bin/env python3
"""Writes tests/golden/print.txt: tensors, and how PyTorch prints them.

    python3 tests/golden/make_print.py    # needs: pip install torch

Each case: a line "case NAME", a line with the shape, a line with the numbers, and the lines
that PyTorch prints, each after "|". Float32's cases come first; after the line "double", float64's.
A name that ends in "leaf" requires a gradient; one that ends in "result" is 1 times a leaf.
The numbers are the word "bits" and each one's bits in hexadecimal, or "waves", the bits of the
scale (see waves()), and the bits of the first number if it is another.
"""
import math
import os
import struct

import torch

# Two words of ours are in place of PyTorch's: dtype=float64 and the names of operations.
PYTORCHS = torch._tensor_str._add_suffixes


def add_suffixes(text, suffixes, *more, **options):
    ours = [s.replace("torch.", "").replace("MulBackward0", "mul") for s in suffixes]
    return PYTORCHS(text, ours, *more, **options)


torch._tensor_str._add_suffixes = add_suffixes

HERE = os.path.dirname(os.path.abspath(__file__))
inf, nan = math.inf, math.nan


class Waves:
    """Numbers that look arbitrary and are the same everywhere: multiples of scale / 16."""
    def __init__(self, *shape, scale=1.0, first=None):
        self.scale, self.first = scale, first
        n = torch.arange(math.prod(shape), dtype=torch.float64)
        self.numbers = ((n * 37 % 97 - 48) / 16 * scale).reshape(shape)
        if first is not None:
            self.numbers.reshape(-1)[0] = first


def cases():
    t = lambda *values: torch.tensor(values, dtype=torch.float64)
    yield "scalar", t(2.5)[0]
    yield "scalar whole", t(3.0)[0]
    yield "scalar negative", t(-0.125)[0]
    yield "scalar small", t(1e-7)[0]
    yield "scalar large", t(123456789.0)[0]
    yield "scalar inf", t(inf)[0]
    yield "scalar nan", t(nan)[0]
    yield "zeros", t(0, 0, 0)
    yield "minus zero", t(-0.0, 1)
    yield "whole", t(1, 2, 3)
    yield "whole negative", t(1, -20, 300)
    yield "whole large", t(1, 2, 100000)
    yield "whole at the limit", t(0, 99999999, 1)
    yield "whole above the limit", t(0, 1, 200000000)
    yield "whole spread", t(1, 2000)
    yield "whole spread with zero", t(0, 5000)
    yield "whole with inf", t(1, inf, 3)
    yield "whole with nan", t(1, nan, -3)
    yield "only inf", t(inf, -inf)
    yield "only nan", t(nan, nan)
    yield "inf and zero", t(inf, 0)
    yield "fractions", t(0.5, 1.25, -2.0625)
    yield "rounded", t(1 / 3, 2 / 3, 0.99995, 0.00005)
    yield "fractions with inf", t(0.5, -inf, 2)
    yield "fractions with nan", t(0.5, nan, 200.25)
    yield "widths", t(0.5, 10.25, 999.125)
    yield "spread below", t(1.5, 1000.25)
    yield "spread above", t(0.5, 1000.25)
    yield "small", t(1e-3, 5e-4)
    yield "smaller", t(9e-5, 1e-4)
    yield "tiny", t(1e-30, 2.5e-30)
    yield "tiny whole spread", t(0, 1e-5)
    yield "large", t(1.5e7, 2.5e7)
    yield "large fractions", t(150000000.5, 250000000.25)
    yield "huge", t(1e20, 3e20)
    yield "huge exponents", t(1e30, 1.5e-30, -2)
    yield "scientific with inf", t(1e-6, inf, -1)
    yield "empty", t()
    yield "empty rows", torch.zeros(2, 0)
    yield "empty, three dimensions", torch.zeros(0, 3, 4)
    yield "one", t(7.25)
    yield "matrix", Waves(2, 3)
    yield "matrix whole", Waves(3, 4, scale=16)
    yield "matrix one row", Waves(1, 4)
    yield "matrix one column", Waves(4, 1)
    yield "three dimensions", Waves(2, 3, 4)
    yield "four dimensions", Waves(2, 2, 3, 2)
    yield "five dimensions", Waves(1, 2, 1, 2, 2)
    yield "wrapped", Waves(25)
    yield "wrapped whole", Waves(60, scale=16)
    yield "wrapped scientific", Waves(20, scale=2**-20)
    yield "wrapped rows", Waves(3, 15)
    yield "wrapped blocks", Waves(2, 2, 12)
    yield "line exactly full", Waves(7)
    yield "line one too many", Waves(8)
    yield "line full of whole numbers", t(*range(15))
    yield "at the threshold", Waves(1000)
    yield "long", Waves(1001)
    yield "long whole", Waves(2000, scale=16)
    yield "long rows", Waves(100, 11)
    yield "long columns", Waves(5, 300)
    yield "long both", Waves(40, 40)
    yield "long three dimensions", Waves(10, 12, 15)
    yield "long four dimensions", Waves(8, 2, 9, 10)
    yield "long, one size at the edge", Waves(6, 200)
    yield "long, one size above the edge", Waves(7, 200)
    yield "long, spread among what is shown", Waves(2000, first=1e9)
    yield "leaf", t(1, 2.5)
    yield "result", t(1, 2.5)
    yield "empty leaf", t()
    yield "empty rows, result", torch.zeros(2, 0)
    for n in range(2, 9):
        yield f"line of {n}", Waves(n)
        yield f"line of {n}, leaf", Waves(n)
        yield f"line of {n}, result", Waves(2, n)


def bits(dtype, *numbers):
    code = ">f" if dtype == torch.float32 else ">d"
    return [struct.pack(code, v).hex() for v in numbers]


def write(out, name, case, dtype):
    waves = isinstance(case, Waves)
    x = (case.numbers if waves else case).to(dtype)
    print("case", name, file=out)
    print(*x.shape, file=out)
    if waves:
        first = [] if case.first is None else [case.first]
        print("waves", *bits(dtype, case.scale, *first), file=out)
    else:
        print("bits", *bits(dtype, *x.reshape(-1).tolist()), file=out)
    if name.endswith(("leaf", "result")):
        x = x.requires_grad_()
    for line in str(x * 1 if name.endswith("result") else x).split("\n"):
        print("|" + line, file=out)


with open(os.path.join(HERE, "print.txt"), "w") as out:
    for dtype in (torch.float32, torch.float64):
        if dtype == torch.float64:
            print("double", file=out)
        for name, case in cases():
            write(out, name, case, dtype)
