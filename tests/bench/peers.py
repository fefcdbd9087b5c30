#!/usr/bin/env python3
"""Measures PyTorch, libtorch, JAX and Keras at the work of heed's benchmarks, on one thread each.

    python3 tests/bench/peers.py --against build/bench/NAME        # interleaved, with the bars
    python3 tests/bench/peers.py --against build/bench/NAME step exp --rounds 20
    python3 tests/bench/peers.py step                              # the peers alone
    python3 tests/bench/peers.py --against A --build B             # two builds of heed

Every participant is a program that lives as long as the measuring does. It reads the name of a
measurement on stdin and answers one line: `NAME BEST MEDIAN`, microseconds a call over five
blocks of about 20 ms, or `NAME absent`. The rounds go from one participant to the next, so
that all of them meet the same moods of the machine; short ones are repeated more often.
`losses` is answered by the first three losses of lesson 01's training, so that all are seen to
do the same work; `about` by a line about itself.

A peer that is not installed is reported as absent. No peer is needed by anything else.
"""
import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ONE_THREAD = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1 " +
                 os.environ.get("XLA_FLAGS", "")}

# measurement: [(peer, its name there, title, bar: heed's share of the peer's time at most)]
MEASUREMENTS = {
    "step": [("torch", "step", "PyTorch eager, Adam", 1 / 60),
             ("torch", "step_fused", "PyTorch eager, fused Adam", None),
             ("libtorch", "step", "libtorch, C++", 1 / 25),
             ("jax", "step", "JAX, one jitted step", None),
             ("jax", "step_scan", "JAX, 25 steps in one scan", 0.38)],
    "exp": [("torch", "exp", "PyTorch", 0.6)],
    "tanh": [("torch", "tanh", "PyTorch", 0.6)],
    "log": [("torch", "log", "PyTorch", None)],
    "sigmoid": [("torch", "sigmoid", "PyTorch", None)],
    "softmax": [("torch", "softmax", "PyTorch", 0.8)],
    "layer_norm": [("torch", "layer_norm", "PyTorch", 0.8)],
    **{f"heads_{what}_{size}": [("torch", f"heads_{what}_{size}", "PyTorch, plain", bar),
                                ("torch", f"sdpa_{what}_{size}", "PyTorch, its own", bar)]
       for what, size, bar in [("forward", "2x4", 0.75), ("forward", "8x64", 0.85),
                               ("forward", "2x1024", 0.7), ("step", "2x4", 0.7),
                               ("step", "8x64", 0.9), ("step", "2x1024", 0.7)]},
    "block_step_small": [("torch", "block_step_small", "PyTorch", 1 / 15)],
    "block_step_large": [("torch", "block_step_large", "PyTorch", 1 / 2)],
    **{f"seq2seq_{size}": [("torch", f"seq2seq_{size}", "PyTorch, fused Adam", bar)]
       for size, bar in [("small", 1 / 5), ("middle", 1 / 5), ("large", 1 / 3)]},
    **{f"transformer_{size}": [("torch", f"transformer_{size}", "PyTorch, fused Adam", bar)]
       for size, bar in [("small", 1 / 3), ("large", 0.8)]},
    "fit": [("keras_jax", "fit", "Keras on JAX", 1 / 10),
            ("keras_tf", "fit", "Keras on TensorFlow", 1 / 100)],
    **{f"attention_{T}": [("torch", f"attention_{T}", "PyTorch, flash", 0.8)]
       for T in (1024, 4096)},
    "record_forward": [], "record_backward": [], "adam": [], "copy": [],
    **{f"{large}@2": [("heed", large, "heed on one thread", None)]
       for large in ("heads_step_2x1024", "block_step_large", "seq2seq_large",
                     "transformer_large")}}
STEPS = {"step_scan": 25, "fit": 320}  # in a call of these; times are those of one
LIMITS = {"record_forward": 0.060, "record_backward": 0.100}  # microseconds
SECONDS = 10  # while a measurement has taken less, it goes on


# ---- A participant written in Python: reads names, answers times -----------------------------

def block(f, n):
    start = time.perf_counter()
    for _ in range(n):
        f()
    return (time.perf_counter() - start) / n * 1e6


def measure(f, warm):
    """Best and median of five blocks of about 20 ms; the first call of all warms up."""
    if warm:
        block(f, 1)  # compiles, in JAX
        block(f, min(250, max(3, int(1e5 / block(f, 1)))))
    n = max(1, int(20000 / block(f, 1 + int(1000 / max(1, block(f, 1))))))
    times = sorted(block(f, n) for _ in range(5))
    return times[0], times[2]


def serve(about, losses, works):
    """`works`: name -> function that prepares and returns the function to time."""
    ready = {}
    for name in map(str.strip, sys.stdin):
        if name == "about":
            print("about", about, flush=True)
        elif name == "losses":
            print("losses", *losses(), flush=True)
        elif name not in works:
            print(name, "absent", flush=True)
        else:
            warm = name not in ready
            if warm:
                ready[name] = works[name]()
            print(name, *measure(ready[name], warm), flush=True)


def document_samples():
    """Lesson 01's data set in the document's order: inputs (250, 10), labels (250)."""
    letters = "ABCDEFGHIGKLMNOPQRSTUVWXYZ"
    inputs, labels = [], []
    for start in letters:
        rest = letters[letters.index(start):]
        for i in range(0, len(rest) - 9, 10):
            window = rest[i:i + 10]
            for hidden in window:
                numbers = [0] * 10
                for z in window:
                    numbers[window.index(z)] = 27 if z == hidden else letters.index(z)
                inputs.append(numbers)
                labels.append(letters.index(hidden))
    return inputs, labels


# ---- PyTorch ---------------------------------------------------------------------------------

def serve_torch():
    import torch
    from torch import nn
    import torch.nn.functional as F
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    inputs, labels = document_samples()
    batches = [(torch.tensor(inputs[i:i + 10], dtype=torch.float32),
                torch.tensor(labels[i:i + 10])) for i in range(0, 250, 10)]

    def training(**options):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(10, 100), nn.ReLU(True), nn.BatchNorm1d(100),
                              nn.Linear(100, 26))
        adam = torch.optim.Adam(model.parameters(), 0.001, weight_decay=0.0001, **options)
        count = 0

        def step():
            nonlocal count
            x, y = batches[count % 25]
            count += 1
            loss = F.cross_entropy(model(x), y)
            adam.zero_grad()
            loss.backward()
            adam.step()
            return loss
        return step

    def losses():
        step = training()
        return [step().item() for _ in range(3)]

    def pointwise(f, low, high):
        x = torch.empty(1000000).uniform_(low, high)
        y = torch.empty_like(x)
        return lambda: f(x, out=y)

    def forward_backward(f):
        x = torch.randn(1024, 1024, requires_grad=True)
        g = torch.randn(1024, 1024)
        return lambda: torch.autograd.grad(f(x), x, g)

    class Heads(nn.Module):
        """Multi-head attention, causal, 8 heads, width 512, by four Linears; plainly as in
        lesson 02's document, or through PyTorch's own function."""
        def __init__(self, T, own):
            super().__init__()
            self.linears = nn.ModuleList(nn.Linear(512, 512) for _ in range(4))
            self.own, self.visible = own, torch.ones(T, T).tril().bool()

        def forward(self, x):
            B, T, D = x.shape
            q, k, v = (f(x).view(B, T, 8, -1).transpose(1, 2) for f in self.linears[:3])
            if self.own:
                y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            else:
                scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
                y = scores.masked_fill(~self.visible, -1e9).softmax(-1) @ v
            return self.linears[3](y.transpose(1, 2).contiguous().view(B, T, D))

    def attention(T):
        q, k, v = (torch.randn(1, 8, T, 64, requires_grad=True) for _ in range(3))
        g = torch.randn(1, 8, T, 64)
        return lambda: torch.autograd.grad(
            F.scaled_dot_product_attention(q, k, v, is_causal=True), (q, k, v), g)

    class Block(nn.Module):
        """Self-attention over feature maps, as in lesson 03's document."""
        def __init__(self, C):
            super().__init__()
            self.query, self.key = nn.Conv2d(C, C // 8, 1), nn.Conv2d(C, C // 8, 1)
            self.value, self.gamma = nn.Conv2d(C, C, 1), nn.Parameter(torch.zeros(1))

        def forward(self, x):
            q, k, v = (f(x).flatten(2) for f in (self.query, self.key, self.value))
            weights = torch.bmm(q.transpose(1, 2), k).softmax(-1)
            return self.gamma * torch.bmm(v, weights.transpose(1, 2)).view(x.shape) + x

    def model(make, shape, forward):
        net, count = make(), 0
        batches, g = [torch.randn(shape) for _ in range(4)], torch.randn(shape)
        adam = torch.optim.Adam(net.parameters(), 1e-6)

        def call():
            nonlocal count
            count += 1
            if forward:
                with torch.no_grad():
                    net(batches[count % 4])
            else:
                adam.zero_grad()
                net(batches[count % 4]).backward(g)
                adam.step()
        return call

    class Seq2Seq(nn.Module):
        """Lesson 04's model as its document has it: at each step state and encoder output go
        through one Linear side by side, and all logits into the loss."""
        def __init__(self, V, E, H):
            super().__init__()
            self.source, self.target = nn.Embedding(V, E), nn.Embedding(V, E)
            self.encoder = nn.GRU(E, H, batch_first=True, bidirectional=True)
            self.bridge = nn.Linear(2 * H, H)
            self.energy, self.score = nn.Linear(3 * H, H), nn.Linear(H, 1, bias=False)
            self.cell, self.out = nn.GRUCell(2 * H + E, H), nn.Linear(3 * H + E, V)

        def forward(self, source, lengths, words):
            packed = nn.utils.rnn.pack_padded_sequence(
                self.source(source), lengths, batch_first=True, enforce_sorted=False)
            states, last = self.encoder(packed)
            states = nn.utils.rnn.pad_packed_sequence(states, batch_first=True)[0]
            state = torch.tanh(self.bridge(torch.cat((last[0], last[1]), 1)))
            padding = torch.arange(source.size(1)) >= lengths[:, None]
            logits = []
            for t in range(words.size(1)):
                y = self.target(words[:, t])
                asked = state[:, None].expand(-1, states.size(1), -1)
                energy = torch.tanh(self.energy(torch.cat((asked, states), 2)))
                scores = self.score(energy)[..., 0].masked_fill(padding, -math.inf)
                context = torch.bmm(scores.softmax(1)[:, None], states)[:, 0]
                state = self.cell(torch.cat((context, y), 1), state)
                logits.append(self.out(torch.cat((state, context, y), 1)))
            return torch.stack(logits, 1)

    class Transformer(nn.Module):
        """torch.nn.Transformer itself, under a causal and a padding mask."""
        def __init__(self, V, D, H, hidden, layers):
            super().__init__()
            self.source, self.target = nn.Embedding(V, D), nn.Embedding(V, D)
            self.model = nn.Transformer(D, H, layers, layers, hidden, 0.0, batch_first=True)
            self.out = nn.Linear(D, V)

        def forward(self, source, lengths, words):
            padding = torch.arange(source.size(1)) >= lengths[:, None]
            future = torch.ones(words.size(1), words.size(1)).triu(1) == 1
            return self.out(self.model(
                self.source(source), self.target(words), tgt_mask=future,
                src_key_padding_mask=padding, memory_key_padding_mask=padding))

    def sequences(net, V, B, S, T):
        count, batches = 0, []
        adam = torch.optim.Adam(net.parameters(), 1e-4, fused=True)
        for _ in range(4):
            targets = torch.randint(3, V, (B, T - 1))
            ends = [torch.full((B, 1), end) for end in (1, 2)]
            batches.append((torch.randint(3, V, (B, S)), torch.full((B,), S),
                            torch.cat((ends[0], targets), 1), torch.cat((targets, ends[1]), 1)))

        def step():
            nonlocal count
            source, lengths, words, labels = batches[count % 4]
            count += 1
            logits = net(source, lengths, words)
            loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=0)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
        return step

    def seq2seq(V, E, H, B, S, T):
        return sequences(Seq2Seq(V, E, H), V, B, S, T)

    def transformer(V, D, H, hidden, layers, B, S, T):
        return sequences(Transformer(V, D, H, hidden, layers), V, B, S, T)

    weight, bias = torch.randn(1024), torch.randn(1024)
    serve(f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
          f"{', MKL' if torch.backends.mkl.is_available() else ''}", losses, {
              "step": training,
              "step_fused": lambda: training(fused=True),
              "exp": lambda: pointwise(torch.exp, -10, 10),
              "tanh": lambda: pointwise(torch.tanh, -10, 10),
              "log": lambda: pointwise(torch.log, 0.01, 10),
              "sigmoid": lambda: pointwise(torch.sigmoid, -10, 10),
              "softmax": lambda: forward_backward(lambda x: torch.softmax(x, 1)),
              "layer_norm": lambda: forward_backward(
                  lambda x: F.layer_norm(x, (1024,), weight, bias)),
              **{f"{form}_{what}_{B}x{T}": lambda form=form, what=what, B=B, T=T: model(
                     lambda: Heads(T, form == "sdpa"), (B, T, 512), what == "forward")
                 for form in ("heads", "sdpa") for what in ("forward", "step")
                 for B, T in ((2, 4), (8, 64), (2, 1024))},
              "attention_1024": lambda: attention(1024),
              "attention_4096": lambda: attention(4096),
              "block_step_small": lambda: model(lambda: Block(16), (2, 16, 8, 8), False),
              "block_step_large": lambda: model(lambda: Block(64), (4, 64, 32, 32), False),
              "seq2seq_small": lambda: seq2seq(40, 32, 64, 64, 20, 12),
              "seq2seq_middle": lambda: seq2seq(40, 64, 128, 64, 20, 12),
              "seq2seq_large": lambda: seq2seq(6000, 256, 512, 32, 25, 25),
              "transformer_small": lambda: transformer(40, 64, 4, 128, 2, 64, 20, 11),
              "transformer_large": lambda: transformer(1000, 512, 8, 2048, 6, 8, 64, 64)})


# ---- JAX -------------------------------------------------------------------------------------

def golden_weights():
    """Lesson 01's initial weights, from the golden file."""
    import numpy
    with open(os.path.join(ROOT, "tests/golden/lesson01.safetensors"), "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = f.read()
    weights = {}
    for name, about in header.items():
        if name.startswith("weights/"):
            begin, end = about["data_offsets"]
            weights[name[8:]] = numpy.frombuffer(data[begin:end], "f4").reshape(about["shape"])
    return weights


def serve_jax():
    import jax
    import jax.numpy as np
    inputs, labels = document_samples()
    xs = np.array(inputs, dtype=np.float32).reshape(25, 10, 10)
    ys = np.array(labels).reshape(25, 10)

    def loss_of(p, running, x, y):
        h = jax.nn.relu(x @ p["liner_1.weight"].T + p["liner_1.bias"])
        mean, var = h.mean(0), h.var(0)
        h = (h - mean) / np.sqrt(var + 1e-5) * p["bn.weight"] + p["bn.bias"]
        logits = h @ p["liner_2.weight"].T + p["liner_2.bias"]
        loss = -np.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()
        return loss, (0.9 * running[0] + 0.1 * mean, 0.9 * running[1] + 0.1 * var * 10 / 9)

    def step(state, batch):
        p, running, m, v, t = state
        (loss, running), g = jax.value_and_grad(loss_of, has_aux=True)(p, running, *batch)
        each = jax.tree_util.tree_map
        t = t + 1
        g = each(lambda g, p: g + 1e-4 * p, g, p)
        m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, scale = 1e-3 / (1 - 0.9 ** t), np.sqrt(1 - 0.999 ** t)
        p = each(lambda p, m, v: p - rate * m / (np.sqrt(v) / scale + 1e-8), p, m, v)
        return (p, running, m, v, t), loss

    one = jax.jit(lambda state, i: step(state, (xs[i], ys[i])), donate_argnums=0)
    epoch = jax.jit(lambda state: jax.lax.scan(step, state, (xs, ys)), donate_argnums=0)

    def start():
        p = {k: np.array(w) for k, w in golden_weights().items()}
        zeros = lambda: {k: np.zeros_like(w) for k, w in p.items()}
        return p, (np.zeros(100), np.ones(100)), zeros(), zeros(), np.float32(0)

    def losses():
        state, result = start(), []
        for i in range(3):
            state, loss = one(state, i)
            result.append(float(loss))
        return result

    def stepping():
        state, count = start(), 0

        def f():
            nonlocal state, count
            state, loss = one(state, count % 25)
            count += 1
            loss.block_until_ready()
        return f

    def scanning():
        state = start()

        def f():
            nonlocal state
            state, loss = epoch(state)
            loss.block_until_ready()
        return f

    serve(f"JAX {jax.__version__}", losses, {"step": stepping, "step_scan": scanning})


# ---- Keras -----------------------------------------------------------------------------------

def serve_keras(backend):
    """Lesson 05's model and data: ten epochs of fit, 32 batches each."""
    os.environ["KERAS_BACKEND"] = backend
    import keras
    import numpy
    ops = keras.ops

    class Attention(keras.layers.Layer):
        def build(self, shape):
            self.weight = self.add_weight(shape=(shape[-1], shape[-1]),
                                          initializer="random_normal")

        def call(self, x):
            scores = ops.sum(ops.tanh(ops.matmul(x, self.weight)), axis=-1)
            return ops.sum(x * ops.expand_dims(ops.softmax(scores), -1), axis=1)

    def fitting():
        model = keras.Sequential([keras.Input((10, 10)), Attention()])
        model.compile(optimizer="adam", loss="mean_squared_error")
        x = numpy.random.random((1000, 10, 10)).astype("float32")
        y = numpy.random.random((1000, 10)).astype("float32")
        return lambda: model.fit(x, y, epochs=10, batch_size=32, verbose=0)

    serve(f"Keras {keras.__version__} on {backend}", lambda: [], {"fit": fitting})


# ---- libtorch: a program of its own, compiled where PyTorch is installed ---------------------

def build_libtorch():
    """The path of the compiled program. Takes half a minute, once for a version of PyTorch."""
    import torch
    source = os.path.join(HERE, "peer_libtorch.cpp")
    home = os.path.join(os.environ.get("HEED_BUILD", os.path.join(ROOT, "build")), "bench")
    program = os.path.join(home, "peer_libtorch-" + torch.__version__)
    if os.path.exists(program) and os.path.getmtime(program) > os.path.getmtime(source):
        return program
    os.makedirs(home, exist_ok=True)
    base = os.path.dirname(torch.__file__)
    print("compiling peer_libtorch.cpp, about half a minute", file=sys.stderr, flush=True)
    subprocess.run(
        [os.environ.get("CXX", "g++"), "-std=c++20", "-O2", source, "-o", program,
         f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
         f"-I{base}/include", f"-I{base}/include/torch/csrc/api/include", f"-L{base}/lib",
         f"-Wl,-rpath,{base}/lib", "-ltorch", "-ltorch_cpu", "-lc10"], check=True)
    return program


# ---- The driver ------------------------------------------------------------------------------

class Participant:
    def __init__(self, command):
        self.process, self.missing = None, None
        try:
            self.process = subprocess.Popen(
                command() if callable(command) else command, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, env={**os.environ, **ONE_THREAD})
        except (OSError, ImportError, subprocess.CalledProcessError) as e:
            self.missing = str(e)

    def ask(self, name):
        """The words of the answer, or None when it has none."""
        if not self.process:
            return None
        try:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
            words = self.process.stdout.readline().split()
        except OSError:
            words = []
        if not words:  # it has ended; its last words are on stderr
            self.missing = f"ended with status {self.process.wait()}"
            self.process = None
            return None
        if words[0] != name:
            raise SystemExit(f"asked {self.process.args} for {name}, answered {words}")
        return None if words[1:2] == ["absent"] else words[1:]

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def cpu_name():
    try:
        with open("/proc/cpuinfo") as f:
            return next(line.split(":")[1].strip() for line in f if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def introduce(participants):
    """Who is here, and whether they do the same work."""
    print(f"CPU: {cpu_name()}; Python {platform.python_version()}; one thread each")
    expected = None
    for key, p in participants.items():
        about, losses = p.ask("about"), p.ask("losses")
        print(f"{key}: {'absent, ' + p.missing if p.missing else ' '.join(about or '-')}",
              flush=True)
        if losses:
            losses = [float(x) for x in losses]
            expected = expected or losses
            if any(abs(a - b) > 1e-4 for a, b in zip(losses, expected)):
                print(f"  WARNING: its first losses are {losses}, not {expected}: other work")


def verdict(times, limit):
    """'yes' when best and median both meet the bar."""
    met = [t <= limit for t in times]
    words = {(True, True): "yes", (True, False): "best only", (False, True): "median only"}
    return words.get(tuple(met), "NO")


def run(name, rows, participants, rounds):
    """One measurement, all participants in turn, `rounds` times or, where these take less than
    SECONDS, up to three times as often. Prints it and returns heed's own time and its shares of
    the peers' times: best of all rounds, median of the rounds' medians; a share with the peer's
    title."""
    own = ("heed", name, "heed", None)
    asked = [row for row in [own, *rows] if row[0] in participants]
    answers = {row: [] for row in asked}
    start = time.time()
    for done in range(3 * rounds):
        if done >= rounds and time.time() - start > SECONDS:
            break
        for row in asked:
            words = participants[row[0]].ask(row[1])
            if words:
                scale = STEPS.get(row[1], 1)
                answers[row].append([float(w) / scale for w in words])
    summary = {row: (min(a[0] for a in got), statistics.median(a[1] for a in got))
               for row, got in answers.items() if got}
    heed = summary.get(own)
    print(f"\n{name}")
    ratios = []
    for row in asked:
        if row not in summary:
            print(f"  {row[2]:27} absent")
            continue
        best, median = summary[row]
        line = f"  {row[2]:27} {best:11.3f} {median:11.3f}"
        if row == own and name in LIMITS:
            line += f"   limit {LIMITS[name]}: {verdict((best, median), LIMITS[name])}"
        if row != own and heed:
            ratio = heed[0] / best, heed[1] / median
            ratios.append((row[2], ratio))
            line += f"   {ratio[0]:.4f} {ratio[1]:.4f}"
            if row[3]:
                line += f"   bar {row[3]:.4f}: {verdict(ratio, row[3])}"
        print(line, flush=True)
    return heed, ratios


SERVERS = {"torch": serve_torch, "jax": serve_jax,
           "keras_jax": lambda: serve_keras("jax"),
           "keras_tf": lambda: serve_keras("tensorflow")}


def drive(options):
    serving = lambda peer: [sys.executable, os.path.abspath(__file__), "--serve", peer]
    measurements = MEASUREMENTS
    if options.build:
        participants = {"build": Participant([options.build])}
        measurements = {name: [("build", name, "the other build", 1.1)] for name in MEASUREMENTS}
    else:
        participants = {peer: Participant(serving(peer)) for peer in SERVERS}
        participants["libtorch"] = Participant(build_libtorch)
    if options.against:
        participants["heed"] = Participant([options.against])
    introduce(participants)
    print("\nmicroseconds a call: best, median; then heed's share of the peer's: best, median")
    results = {name: run(name, measurements[name], participants, options.rounds)
               for name in options.names or MEASUREMENTS}
    for p in participants.values():
        p.close()
    if options.json:
        with open(options.json, "w") as f:
            json.dump(results, f)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="measurement",
                        help="of " + ", ".join(MEASUREMENTS) + "; all without any")
    parser.add_argument("--against", metavar="PROGRAM", help="heed's own benchmark program")
    parser.add_argument("--build", metavar="PROGRAM", help="the same of another build, which "
                        "is then the only peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", help="the figures, for report.py")
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = [n for n in options.names if n not in MEASUREMENTS]
    if unknown:
        parser.error("unknown measurement: " + ", ".join(unknown))
    if options.serve:
        SERVERS[options.serve]()
    else:
        drive(options)
