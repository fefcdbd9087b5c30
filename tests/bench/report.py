#!/usr/bin/env python3
"""make bench: every measurement, and tests/bench/RESULTS.md with a figure for every bar.

    python3 tests/bench/report.py BUILD     BUILD: where the programs are

A build for another CPU has a report of its own, RESULTS_(its name).md, without what does not
depend on the CPU; the report of another compiler compares its build with the default one. Where
a row has a second figure, the median of the rounds, both must meet the bar; elsewhere the best
of the rounds counts, and for bar 13 the median. Under the table: the notes of why.md, and all
that the programs printed.
"""
import datetime
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time

from peers import LIMITS, MEASUREMENTS

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def said_by(command, **more):
    """What a program prints, which is seen as it comes."""
    print("==== " + " ".join(os.path.relpath(c, ROOT) if os.path.isabs(c) else c
                             for c in command), flush=True)
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, **more) as p:
        for line in p.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if p.returncode:
        raise SystemExit(f"{command[0]} has ended with status {p.returncode}")
    return "".join(lines)


# ---- The bars: rows of (number, what, wanted, measured, holds)

def at_least(number, what, bar, figures, form="{:.2f}"):
    """figures: all of them must reach the bar."""
    return (number, what, "≥ " + form.format(bar), ", ".join(map(form.format, figures)) or "absent",
            bool(figures) and min(figures) >= bar)


def gemm_bars(text):
    tables = {}
    for title, body in re.findall(r"^(.*), GFLOP/s, best round \(median\)\n.*\n((?:.+\n)+?)"
                                  r"geometric mean", text, re.M):
        rows = re.findall(r"^(\d+) x (\d+) x (\d+) .*?([\d.]+|inf) +([\d.]+)%$", body, re.M)
        tables[title] = [((int(m), int(n), int(k)), float(ratio), float(peak))
                         for m, n, k, ratio, peak in rows]
    both = tables["Squares"] + tables["The lessons' shapes"]
    ratios = [ratio for _, ratio, _ in both]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    peaks = [peak for (m, _, _), _, peak in tables["Squares"] if m >= 128]
    large = tables["Large"]
    yield at_least(1, "matmul, squares and the lessons' shapes, of the best peer: geometric mean",
                   1, [mean])
    yield at_least(1, "the same, lowest of all", 0.9, [min(ratios)])
    yield at_least(2, "matmul, 128³, 256³, 512³, % of the peak", 90, peaks, "{:.0f}")
    yield at_least(3, "matmul, 1024³, 2048³, 4096³, of the best peer", 0.97,
                   [ratio for _, ratio, _ in large])
    yield at_least(3, "the same, % of the peak", 88, [peak for _, _, peak in large], "{:.0f}")
    turned = re.findall(r"   A'?B'? *[\d.]+ ([\d.]+) [\d.]+", text)
    slow = 1 / min(map(float, turned))  # printed: the plain time over the turned one
    yield (4, "transposed operands, slowest, of the plain case's time", "≤ 1.10", f"{slow:.2f}",
           slow <= 1.1)
    small = [ratio for shape, ratio, _ in tables["512 small products, the peers' in a loop"]
             if shape[0] == 16]
    yield at_least(4, "512 of 16×16×16, of the best peer in a loop", 1.5, small)
    threads = re.findall(r"2 threads: [\d.]+, ([\d.]+) x one", text)
    yield at_least(5, "two threads, 512³ and 1024³, of one", 1.85, list(map(float, threads)))


STEPS = [  # bar, measurement of peers.py, which knows the peers and their limits; what it is
    (6, "step", "lesson 01's step"),
    *[(7, f"heads_{what}_{size}", f"lesson 02's class, {what}, {size}")
      for what in ("forward", "step") for size in ("2x4", "8x64", "2x1024")],
    *[(8, f"attention_{T}", f"fused attention, T = {T}, causal, forward and backward")
      for T in (1024, 4096)],
    *[(9, f"block_step_{size}", f"lesson 03's step, {size}") for size in ("small", "large")],
    *[(10, f"seq2seq_{size}", f"lesson 04's step, {size}")
      for size in ("small", "middle", "large")],
    (11, "fit", "lesson 05's fit, a step"),
    *[(12, f"transformer_{size}", f"lesson 06's step, {size}") for size in ("small", "large")],
    *[(14, name, name) for name in ("softmax", "layer_norm", "exp", "tanh")]]
LARGE_STEP = 140.5  # GFLOP of transformer_large, by lessons/06_transformer/cost.h


def peak_of(text):
    """GFLOP/s: the best that it was beside the products (at the start alone it may be slow)."""
    rows = re.findall(r"^\d+ x \d+ x \d+ +([\d.]+) \(.* ([\d.]+)%$", text, re.M)
    return max(100 * float(speed) / float(share) for speed, share in rows)


# results: for each measurement heed's best and median, and of every peer (its title, heed's share
# of the peer's best and median).
def step_bars(results, peak):
    for number, name, what in STEPS:
        bars = {title: bar for _, _, title, bar in MEASUREMENTS[name] if bar}
        ratios = dict(results[name][1])
        if name.startswith("heads"):  # of two forms the faster one counts
            best_of = [max(r[i] for r in ratios.values()) for i in (0, 1)] if ratios else None
            bars, ratios = {"PyTorch's faster form": max(bars.values())}, {
                "PyTorch's faster form": best_of}
        for peer, bar in bars.items():
            ratio = ratios.get(peer)
            yield (number, f"{what}, of {peer}", f"≤ {bar:.3g}",
                   f"{ratio[0]:.3g} ({ratio[1]:.3g})" if ratio else "absent",
                   bool(ratio) and max(ratio) <= bar)
    speed = 100 * LARGE_STEP * 1e6 / results["transformer_large"][0][0] / peak
    yield at_least(12, "lesson 06's step, large, % of the peak over its multiply-adds", 80,
                   [speed], "{:.0f}")
    for name in (n for n in results if n.endswith("@2")):
        best, median = results[name][1][0][1]
        yield (5, f"two threads, {name[:-2]}, of one", "≥ 1.85",
               f"{1 / best:.2f} ({1 / median:.2f})", max(best, median) <= 1 / 1.85)
    for name, limit in LIMITS.items():
        best, median = results[name][0]
        yield 13, f"{name}, on four numbers, ns", f"≤ {1e3 * limit:.0f}", \
            f"{1e3 * best:.0f} ({1e3 * median:.0f})", median <= limit
    adam, copy = (results[name][0][0] for name in ("adam", "copy"))
    share = (7 / adam) / (2 / copy)  # arrays read and written
    yield at_least(15, "Adam, 16 million parameters: bandwidth, of a copy's", 0.85, [share])


def growth_bars(text):
    for name, e, theory in re.findall(r"^(\S.*?)  +\S.*\n +exponent ([\d.]+), theory (\d)", text,
                                      re.M):
        yield 16, f"{name}: exponent", f"{theory} ± 0.1", e, abs(float(e) - float(theory)) <= 0.1


def fresh_bars():
    """A fresh clone: make, make run, make test."""
    with tempfile.TemporaryDirectory() as home:
        clone = ["git", "clone", "-q", ROOT, home]
        if subprocess.run(clone, check=False).returncode:
            yield 17, "a fresh clone", "", "git clone has failed", False
            return
        for what, limit in (("make", 60), ("make run", 120), ("make test", 300)):
            start = time.time()
            done = subprocess.run(what.split(), cwd=home, stdout=subprocess.DEVNULL, check=False)
            seconds = time.time() - start
            yield 17, f"{what}, from a fresh clone, seconds", f"≤ {limit}", f"{seconds:.0f}", \
                done.returncode == 0 and seconds <= limit


def bits_bar():
    """What the last whole run of `make bits` has left."""
    what = "the committed hashes of all seven lessons, builds and numbers of threads"
    try:
        with open(os.path.join(HERE, "bits.txt"), encoding="utf-8") as f:
            first, *lines = f.read().splitlines()
    except OSError:
        return 18, what, "all", "`make bits` was not run", None
    tried = [line for line in lines if ": absent" not in line]
    good = sum(line.endswith("committed hashes in 00 01 02 03 04 05 06") for line in tried)
    return 18, what, "all", f"{good} of {len(tried)} ({first})", good == len(tried)


# ---- The report

def table(rows):
    yield "| bar | what | wanted | measured | holds |"
    yield "|---|---|---|---|---|"
    for number, what, wanted, measured, holds in sorted(rows, key=lambda row: row[0]):
        word = {True: "yes", False: "**no**", None: "not run here"}[holds]
        yield f"| {number} | {what} | {wanted} | {measured} | {word} |"


def measured(build, more=()):
    """bench_gemm's text; peers.py's text and figures."""
    programs = os.path.join(ROOT, build, "bench")
    gemm = said_by([os.path.join(programs, "bench_gemm")])
    with tempfile.NamedTemporaryFile(suffix=".json") as figures:
        peers = said_by([sys.executable, os.path.join(HERE, "peers.py"), "--against",
                         os.path.join(programs, "bench_heed"), "--json", figures.name, *more])
        return gemm, peers, json.load(open(figures.name, encoding="utf-8"))


def write(report, lines):
    with open(os.path.join(HERE, report), "w", encoding="utf-8") as f:
        f.write("\n".join(["# Bars and figures", "",
                           f"Written by `make bench` on {datetime.date.today()}. " + lines[0],
                           *lines[1:], ""]))


def fenced(text):
    return ["", "```", text.strip(), "```"]


HOW = ("Ratios are of times taken in turn in one run, one thread each unless a row says otherwise: "
       "the best of the rounds, and in brackets their median.")


def of_cpu(build, variant):
    """The bars, for one CPU."""
    gemm, peers, results = measured(build)
    rows = [*gemm_bars(gemm), *step_bars(results, peak_of(gemm))]
    texts, why = [gemm, peers], []
    if not variant:
        texts.insert(1, said_by([os.path.join(ROOT, build, "bench", "bench_growth")]))
        rows += [*growth_bars(texts[1]), *fresh_bars(), bits_bar()]
        with open(os.path.join(HERE, "why.md"), encoding="utf-8") as f:
            why = ["", f.read().strip()]
    write("RESULTS" + variant + ".md",
          [HOW, *fenced("\n".join(gemm.splitlines()[:4] + peers.splitlines()[:8])), "",
           *table(rows), *why, "", "## What the programs printed",
           *(line for text in texts for line in fenced(text))])
    print("\n".join(table(rows)))


def of_compiler(build, variant):
    """Times of this build, of those of the default one; at most 1.1."""
    programs = ["build/bench/bench_gemm", "build/bench/bench_heed"]
    plain = {k: v for k, v in os.environ.items() if k not in ("CXX", "ARCH", "OPT")}
    subprocess.run(["make", "-s", *programs], cwd=ROOT, env=plain, check=True)
    gemm, steps, results = measured(build, ["--build", os.path.join(ROOT, programs[1])])
    other = said_by([os.path.join(ROOT, programs[0])])
    speeds = [dict(re.findall(r"^(\d+ x \d+ x \d+) +([\d.]+) \(", text, re.M))
              for text in (gemm, other)]
    rows = [(f"matmul {shape}", float(speeds[1][shape]) / float(speed), None)
            for shape, speed in speeds[0].items()]
    rows += [(name, *ratios[0][1]) for name, (_, ratios) in results.items()]
    lines = ["| what | of the other build's time | holds |", "|---|---|---|"]
    for name, best, median in rows:
        holds = "yes" if max(best, median or 0) <= 1.1 else "**no**"
        lines.append(f"| {name} | {best:.3f}" + (f" ({median:.3f})" if median else "") +
                     f" | {holds} |")
    mean = math.exp(sum(math.log(best) for _, best, _ in rows) / len(rows))
    lines.append(f"| geometric mean | {mean:.3f} | {'yes' if mean <= 1.1 else '**no**'} |")
    write("RESULTS" + variant + ".md",
          ["Times of one compiler's build, of those of the default one's: the best of the rounds, "
           "and in brackets their median. At most 1.1 is wanted.",
           *fenced("\n".join(gemm.splitlines()[:3] + ["beside: " + other.splitlines()[1]])), "",
           *lines, "", "## What the programs printed",
           *fenced(gemm), *fenced(other), *fenced(steps)])
    print("\n".join(lines))


def main(build):
    name = os.path.relpath(build, "build")  # as the Makefile calls its variants
    (of_compiler if "++" in name else of_cpu)(build, "" if name == "." else "_" + name)


if __name__ == "__main__":
    main(sys.argv[1])
