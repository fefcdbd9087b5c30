#!/usr/bin/env python3
"""Writes tests/golden/keras.txt: what Keras prints of a model and while it works.

    python3 tests/golden/make_keras.py    # needs: pip install keras jax

Each case: a line "case NAME", for a progress line followed by its settings (verbose, step,
steps, seconds, and names with values), and the lines that Keras prints, each after "|". The
escape character is written \\e. What Keras puts before a line, to write over the last one, is
left out.
"""
import os

os.environ["KERAS_BACKEND"], os.environ["JAX_PLATFORMS"] = "jax", "cpu"
import keras
import numpy
from keras.src.utils import io_utils, progbar

HERE = os.path.dirname(os.path.abspath(__file__))


class KerasAttention(keras.layers.Layer):
    def build(self, shape):
        self.weight = self.add_weight(name="att_weight", shape=(shape[-1], shape[-1]))

    def call(self, x):
        return keras.ops.mean(keras.ops.matmul(x, self.weight), axis=1)

    def compute_output_shape(self, shape):
        return shape[0], shape[-1]


class AttentionWithARemarkablyLongNameOfItsOwn(KerasAttention):
    pass


def model(shape, *layers):
    keras.utils.clear_session()
    first = keras.Input(shape)
    x = first
    for make in layers:
        x = make()(x)
    result = keras.Model(first, x)
    result.compile(optimizer="adam", loss="mse")
    return result


def summary(of):
    lines = []
    of.summary(print_fn=lambda text, line_break=None: lines.append(text), line_length=76)
    return "\n".join(lines)


def trained(of):
    of.train_on_batch(numpy.ones((4, *of.input_shape[1:])), numpy.ones((4, *of.output_shape[1:])))
    return of


def line(verbose, step, steps, seconds, values):
    """What Progbar prints at this step if it is the first one that it hears of."""
    printed = []
    io_utils.print_msg = lambda text, line_break=True: printed.append(text)
    progbar.sys.stdout.isatty = lambda: True
    clock = [0.0]
    progbar.time.time = lambda: clock[0]
    bar = progbar.Progbar(steps, verbose=verbose)
    bar._dynamic_display = True
    clock[0] = seconds
    bar.update(step, values)
    return "".join(printed).strip("\r\n")


def cases():
    dense = keras.layers.Dense
    attention = lambda: model((10, 10), KerasAttention)
    yield "summary attention", summary(attention())
    yield "summary trained", summary(trained(attention()))
    yield "summary dense", summary(trained(model(
        (10, 16), KerasAttention, lambda: dense(1000), lambda: dense(3, activation="softmax"))))
    yield "summary long", summary(model((10, 10), AttentionWithARemarkablyLongNameOfItsOwn))
    loss = [("loss", 0.0917), ("mae", 0.00026)]
    for verbose, step, steps, seconds, values in [
            (1, 32, 32, 0.0448, loss), (1, 32, 32, 4.48, loss), (1, 1, 32, 0.5, loss[:1]),
            (1, 16, 32, 100, loss), (1, 7, 1250, 3000, loss), (1, 2, 1250, 3000, loss),
            (1, 3, 3, 3, []), (1, 9, 10, 0.09, [("loss", 12345.678)]),
            (2, 32, 32, 0.0448, loss), (2, 5, 5, 61, [("loss", 1.0), ("val_loss", 0.001)])]:
        words = " ".join(f"{name}={value}" for name, value in values)
        yield (f"line {verbose} {step} {steps} {seconds} {words}".strip(),
               line(verbose, step, steps, seconds, values))


if __name__ == "__main__":
    with open(os.path.join(HERE, "keras.txt"), "w") as file:
        file.write(f"Keras {keras.__version__}\n")
        for name, text in list(cases()):
            file.write(f"case {name}\n")
            for row in text.replace("\x1b", "\\e").splitlines():
                file.write(f"|{row.rstrip()}\n")
