#!/usr/bin/env python3
"""Writes exact_math.txt: sin, cos, exp, log and pow, correctly rounded.

    python3 tests/golden/make_exact_math.py      # needs: pip install mpmath

A line is a function, its arguments and the result, all doubles as 16 hexadecimal digits. The
results are computed with 400 bits and rounded once. The same bytes each time.
"""
import os
import platform
import random
import struct

import mpmath
from mpmath import mpf

draw = random.Random(1)


def hexed(x):
    return struct.pack(">d", x).hex()


def rounded(x):
    """The nearest double (float() of a subnormal rounds twice)."""
    if x == 0 or abs(x) >= mpf(2) ** -1022:
        return float(x)
    return float(mpmath.nint(x * mpf(2) ** 1074)) * 2.0**-1074


def uniform(n, low, high):
    return [draw.uniform(low, high) for _ in range(n)]


def powers_of_e(n, low, high):
    return [float(mpmath.exp(mpf(v))) for v in uniform(n, low, high)]


def angles():
    xs = [float(position) for position in (1, 2, 3, 10, 100, 512, 1023, 4999, 10000)]
    xs += [float(mpmath.pi / 2 * k)
           for k in (1, 2, 3, 4, 5, 7, 22, 355, 710, 6381, 52174, 573204, 636618)]
    worst = float.fromhex("0x1.93c05c9ed3cbcp+19")  # the largest error found
    xs += [worst, worst / 2]
    xs += [1e-300, 1e-9, -0.785398163397448, 0.7853981633974484, 1e6, -1e6]
    return xs + uniform(20, -1, 1) + uniform(20, -7, 7) + uniform(20, -1e6, 1e6)


def exponents():
    half = 0.34657359027997264  # ln(2) / 2, where the series is longest
    xs = [0.0, 1.0, -1.0, 1e-20, half, -half, 709.782712893384, -745.13]
    return xs + uniform(25, -1, 1) + uniform(25, -745, 709.78) + uniform(10, -745, -708)


def logarithms():
    xs = [1.0, 2.0, 0.5, 10000.0, 2.0**0.5, 2.0**-53, 1 - 2.0**-53, 1 + 2.0**-52]
    xs += [5e-324, 3e-310, 1.7e308] + [1 + v * 2.0**-30 for v in uniform(10, -1, 1)]
    return xs + uniform(25, 0.5, 2) + powers_of_e(25, -700, 709)


def powers():
    pairs = [(10000.0, -2.0 * i / d)
             for d in (6, 10, 64, 512) for i in range(0, d // 2, max(1, d // 20))]
    pairs += [(2.0, 0.5), (2.0, 1023.0), (2.0, -1074.0), (0.999, 2000.0), (0.98, 1000.0)]
    pairs += [(7.0, 0.0), (1.0, 1e300)]
    pairs += [(base, draw.uniform(-700, 700) / float(mpmath.log(base)))
              for base in powers_of_e(20, -300, 300)]
    return pairs + list(zip(powers_of_e(20, -3, 3), uniform(20, -5, 5)))


def main():
    mpmath.mp.prec = 400
    table = [("sin", mpmath.sin, [(x,) for x in angles()]),
             ("cos", mpmath.cos, [(x,) for x in angles() + [0.0]]),
             ("exp", mpmath.exp, [(x,) for x in exponents()]),
             ("log", mpmath.log, [(x,) for x in logarithms()]),
             ("pow", mpmath.power, powers())]
    lines = []
    for name, f, rows in table:
        for arguments in rows:
            result = rounded(f(*map(mpf, arguments)))
            lines.append(" ".join([name, *map(hexed, arguments), hexed(result)]))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "exact_math.txt")
    with open(path, "w") as out:
        out.write(f"# Made by make_exact_math.py: mpmath {mpmath.__version__}, "
                  f"python {platform.python_version()}\n")
        out.write("".join(f"{text}\n" for text in lines) + f"end {len(lines)}\n")


if __name__ == "__main__":
    main()
