#!/usr/bin/env python3
"""Makes the reference values of the tests, with PyTorch on the CPU, one thread.

    python3 tests/golden/make_golden.py          # needs: pip install torch numpy safetensors

Running it again writes the same bytes (same versions of PyTorch, same kind of CPU). Each file
records the versions in its metadata.
"""
import json
import os
import platform

import numpy
import safetensors
import safetensors.numpy
import torch

HERE = os.path.dirname(os.path.abspath(__file__))


def save(file, arrays, **about):
    """One key in the metadata: the package writes several in an order that changes by the run."""
    about["versions"] = {"torch": torch.__version__, "numpy": numpy.__version__,
                         "safetensors": safetensors.__version__,
                         "python": platform.python_version()}
    arrays = {name: numpy.array(a, order="C") for name, a in arrays.items()}
    safetensors.numpy.save_file(arrays, os.path.join(HERE, file),
                                metadata={"heed": json.dumps(about, sort_keys=True)})


def python_file():
    """What the package itself writes: every type, odd names, a scalar, an empty tensor."""
    save("python.safetensors", {
        "weight": numpy.arange(6, dtype="f4").reshape(2, 3) / 4,
        "nothing": numpy.zeros((0, 3), dtype="f4"),
        "wide": numpy.array([0.1, -1e300]),
        "name \"é€😀\"\\\n\x01/.": numpy.array([1 / 3]),
        "num_batches_tracked": numpy.array(-7, dtype="i8"),
        "bits": numpy.array([0x80000000, 1, 0x7fc00001], dtype="u4").view("f4"),  # -0, tiny, NaN
    })


if __name__ == "__main__":
    torch.set_num_threads(1)
    python_file()
