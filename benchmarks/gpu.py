"""A GPU beside the processor: the same pictures, how fast, and what holds it up.

    python benchmarks/gpu.py [--seconds 150] [--output DIR] [--images DIR]

The sections come in order of importance, and each is left out once the seconds are spent. ``--device cpu --small``
tries all of it out on toy sizes. Results go to DIR/gpu.json after every section, so that being cut off loses none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import impasto
from gpu_checks import BARS, Bench, Pixels, cases, check, compare_painted, precision
from impasto.assembly.objective import build_objective
from impasto.exact import float32_products
from impasto.swatches import paint
from machine import machine

_SELF = Path(__file__).resolve()


class Bound:
    """The seconds there are, what has been found, and where it is written.

    Args:
        seconds: in all.
        output: a folder.
        device: "cuda" or "cpu".
        small: toy sizes.
    """

    def __init__(self, seconds: float, output: Path, device: str, *, small: bool) -> None:
        self._end = time.monotonic() + seconds
        self.output, self.device, self.small = output, device, small
        self.found: dict[str, Any] = {}

    @property
    def left(self) -> float:
        return self._end - time.monotonic()

    def section(self, name: str, run: Callable[[], Any], *, least: float) -> None:
        """Runs it if at least so many seconds are left, and writes down what it found."""
        if self.left < least:
            print(f"== {name}: left out, {self.left:.0f} s left of at least {least:.0f}", flush=True)
            return
        began = time.monotonic()
        print(f"== {name}", flush=True)
        self.found[name] = guarded(run)
        if isinstance(self.found[name], str):
            print("  ", self.found[name], flush=True)
        print(f"   {time.monotonic() - began:.1f} s, {self.left:.0f} s left", flush=True)
        part = self.output / "gpu.json.part"
        part.write_text(json.dumps(self.found, indent=1, default=str) + "\n")
        part.replace(self.output / "gpu.json")

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def milliseconds(self, run: Callable[[], object], *, seconds: float = 1.0, most: int = 20) -> float:
        """The median of some runs, after one that warms up."""
        run()
        self.synchronize()
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 2 or (len(times) < most and time.perf_counter() < end):
            start = time.perf_counter()
            run()
            self.synchronize()
            times.append(1e3 * (time.perf_counter() - start))
        return round(statistics.median(times), 3)


def guarded(run: Callable[[], Any]) -> Any:
    """What it returns, or its error in a line with where it came from: one failure does not end the rest."""
    try:
        return run()
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[-4:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return f"{type(error).__name__}: {str(error)[:300]} [{where}]"


# --- sections -------------------------------------------------------------------------------------------------


def about(bound: Bound) -> dict[str, object]:
    found = {**machine(), "numpy": np.__version__}
    if bound.device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "gpu": properties.name,
            "gpu_GB": round(properties.total_memory / 1e9, 1),
            "capability": torch.cuda.get_device_capability(0),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "defaults": {
                "matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32,
                "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
                "cudnn.benchmark": torch.backends.cudnn.benchmark,
            },
        }
    print("  ", found)
    return found


def checks(bound: Bound, bench: Bench, *, seconds: float) -> dict[str, Any]:
    """Every case against the processor."""
    end = time.monotonic() + seconds
    found: dict[str, Any] = {}
    every = cases(bound.output, 64 if bound.small else 128)
    for name, options in every.items():
        if time.monotonic() > end:
            print(f"   left out after {len(found)} of {len(every)}: {[*every][len(found) :]}")
            break
        found[name] = one = check(bench, options, guarded)
        for kind, row in one.items():
            if isinstance(row, str):
                print(f"   ERROR {name}, {kind}: {row}", flush=True)
        figures = "  ".join(
            f"{kind} {row['loss']:.0e} {row['cosine']:.6f}{' BEYOND' if row['beyond'] else ''}"
            for kind, row in one.items()
            if not isinstance(row, str)
        )
        print(f"   {name:32} {figures}", flush=True)
    painted = {
        name: every[name] for name in ("preset impasto", "preset photo", "regions", "seamless texture")
    }
    painted |= {f"color {how}": {**every["preset impasto"], "color": how} for how in ("keep", "match")}
    for name, options in painted.items():
        if time.monotonic() > end + 10.0:
            print(f"   left out: painted, {name}")
            continue
        found[f"painted, {name}"] = row = guarded(partial(compare_painted, bench, options))
        print(f"   painted, {name}: {row}", flush=True)
    return found


def syncs(bound: Bound, bench: Bench) -> dict[str, Any]:
    """Where the processor waits for the GPU, a step: found by torch's own warnings, with the lines that wait."""
    if bound.device != "cuda":
        return {"left out": "needs CUDA"}
    found: dict[str, Any] = {}
    for name, options in (
        ("impasto", {}),
        ("adam", {"optimizer": "adam"}),
        ("wolfe", {"optimizer": "lbfgs-wolfe"}),
        ("photo", {"preset": "photo"}),
        ("max-blur", {"pooling": "max-blur"}),
        ("sliced", {"style_loss": "sliced-wasserstein"}),
    ):
        found[name] = guarded(partial(_waits, bench, options))
        print(f"   {name}: {json.dumps(found[name])}", flush=True)
    return found


def _waits(bench: Bench, options: dict[str, Any], *, steps: int = 6) -> dict[str, Any]:
    one_size = {"size": 128, "smallest": 4096, "steps": 40, "precision": "bf16"}
    session = bench.session({**options, **one_size}, "cuda", "bf16")
    painting = iter(session)
    for _ in range(12):
        next(painting)
    places: Counter[str] = Counter()

    def note(message: Any, *_: object, **__: object) -> None:
        if "synchroniz" not in str(message):
            return
        frames = [f for f in traceback.extract_stack() if "impasto" in f.filename]
        inner = frames[-1] if frames else traceback.extract_stack()[-2]
        places[f"{Path(inner.filename).name}:{inner.lineno} {inner.line}"] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(steps):
                next(painting)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    painting.close()
    each = {place: round(count / steps, 2) for place, count in places.most_common()}
    return {"a_step": round(sum(each.values()), 2), "places": each}


def peak_rate(bound: Bound) -> dict[str, float]:
    """TFLOP/s of one large product of matrices, the most there is to be had here."""
    side = 512 if bound.small else 8192
    found = {}
    for kind in ("fp32", "tf32", "bf16"):
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        a, b = (torch.randn(side, side, device=bound.device).to(dtype) for _ in range(2))
        with float32_products(tf32=kind == "tf32"):
            took = bound.milliseconds(partial(torch.mm, a, b), seconds=0.5)
        found[kind] = float(f"{2e-9 * side**3 / took:.4g}")
    print("   TFLOP/s", found)
    return found


def _network(session: Any) -> Any:
    """The session's, loaded."""
    session.load()
    return session.engine.encoder


def flops(session: Any, height: int, width: int) -> float:
    """Of the convolutions of one evaluation: once forward and once at the gradient of each input."""
    found, side = 0.0, 1
    objective = build_objective(session.recipe)
    deepest = max(
        session.engine.encoder.layers.index(term.layer) for term in objective if hasattr(term, "layer")
    )
    for layer in session.engine.encoder.layers[: deepest + 1]:
        if layer.startswith("pool"):
            side *= 2
        elif layer.startswith("conv"):
            out, into = session.engine.encoder._kernels[layer].shape[:2]
            found += 2 * 2.0 * 9 * out * into * (height // side) * (width // side)
    return found


def timings(bound: Bound, bench: Bench, rates: Any, *, seconds: float) -> list[dict[str, Any]]:
    """Milliseconds an evaluation and an iteration, at each size and in each arithmetic."""
    end = time.monotonic() + seconds
    rows: list[dict[str, Any]] = []
    sizes = (64, 96) if bound.small else (512, 1024, 2048, 4096)
    for size in sizes:
        for kind in ("bf16", "tf32", "fp32"):
            if time.monotonic() > end:
                print(f"   left out: {size} {kind}")
                continue
            row = guarded(partial(_timed, bound, bench, size, kind))
            rows.append(
                {"size": size, "arithmetic": kind, **(row if isinstance(row, dict) else {"error": row})}
            )
            if isinstance(row, dict) and isinstance(rates, dict):
                rows[-1]["share_of_peak"] = round(row["TFLOP/s"] / rates[kind], 3)
            print("  ", json.dumps(rows[-1]), flush=True)
    return rows


def _timed(
    bound: Bound, bench: Bench, size: int, kind: str, *, seconds: float = 1.0, **options: Any
) -> dict[str, Any]:
    options = {"size": size, "smallest": 100_000, "steps": 400, "aspect": 1.0, **options}
    if bound.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    session = bench.session(options, bound.device, precision(kind, bound.device))
    evaluate = session.evaluate()
    height, width = session.size
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0)).to(session.device)
    evaluation = bound.milliseconds(partial(evaluate, x), seconds=seconds)
    del evaluate
    painting = iter(session)
    iteration = bound.milliseconds(partial(next, painting), seconds=seconds)
    painting.close()
    found = {
        "evaluation_ms": evaluation,
        "iteration_ms": iteration,
        "TFLOP/s": round(1e-9 * flops(session, height, width) / evaluation, 2),
        "tile": session.recipe.tile,
        "history_memory": session.recipe.history_memory,
    }
    if bound.device == "cuda":
        found["peak_MB"] = round(torch.cuda.max_memory_allocated() / 1e6)
    return found


def pictures(bound: Bound, bench: Bench) -> dict[str, Any]:
    """The default picture from end to end, and saved."""
    found: dict[str, Any] = {}
    for size in (64,) if bound.small else (512, 1024):
        for when in ("first", "again"):  # the first with what CUDA and cuDNN prepare
            start = time.perf_counter()
            options = {"steps": 8} if bound.small else {}
            result = impasto.stylize(bench.content, bench.style, size=size, device=bound.device, **options)
            bound.synchronize()
            row = {
                "seconds": round(time.perf_counter() - start, 2),
                "parts": {name: round(value, 2) for name, value in result.seconds.items()},
                "precision": result.precision,
                "loss": result.loss,
                "steps": result.steps,
            }
            found[f"{size}, {when}"] = row
            print(f"   {size}, {when}: {json.dumps(row)}", flush=True)
        array = (result.image[0].permute(1, 2, 0) * 255.0).round().byte().numpy()
        Image.fromarray(array).save(bound.output / f"default-{size}.jpg", quality=92)
    return found


def side_by_side(bound: Bound, bench: Bench) -> dict[str, Any]:
    """One picture by the processor and in each arithmetic, next to each other, and how far each is from the first."""
    size, steps = (64, 6) if bound.small else (256, 60)
    options = {"size": size, "steps": steps}
    shown: dict[str, Tensor] = {}
    for name, device, kind in (
        ("cpu fp32", "cpu", "fp32"),
        *((f"{bound.device} {kind}", bound.device, kind) for kind in BARS),
    ):
        session = bench.session(options, device, precision(kind, device))
        *_, last = session
        result = session.result(last)
        shown[name + " "] = result.image
        print(f"   {name}: loss {result.loss:.6g}")
    strip = torch.cat([image[0] for image in shown.values()], 2)
    array = (strip.permute(1, 2, 0) * 255.0).round().byte().numpy()
    Image.fromarray(array).save(bound.output / "side-by-side.png")
    first = next(iter(shown.values()))
    return {
        name.strip(): round(float(255.0 * (image - first).abs().mean()), 3) for name, image in shown.items()
    }


def batch(bound: Bound, bench: Bench) -> dict[str, Any]:
    """The network forward and backward for eight pictures at once, beside one: the engine itself has no batch."""
    found: dict[str, Any] = {}
    for size in (64,) if bound.small else (256, 512, 1024):
        session = bench.session({"size": size}, bound.device, "bf16")
        network = _network(session)
        layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")
        stream = network.stream(layers)

        def run(x: Tensor, stream: Any = stream) -> Tensor:
            tape = stream.forward(x, lambda *_: None, way_back=True)
            return stream.backward(tape, _inject)

        one, eight = (torch.rand(n, 3, size, size, device=bound.device) for n in (1, 8))
        with torch.no_grad():
            row = {
                "one_ms": bound.milliseconds(partial(run, one)),
                "eight_ms": bound.milliseconds(partial(run, eight)),
            }
        row["eight_times_one"] = round(8 * row["one_ms"] / row["eight_ms"], 2)
        found[str(size)] = row
        print(f"   {size}: {json.dumps(row)}", flush=True)
    return found


def _inject(layer: str, features: Tensor, first: int, gradient: Tensor | None) -> Tensor:
    """A gradient that costs next to nothing to make: the features' own."""
    return features if gradient is None else gradient + features


def choices(bound: Bound, bench: Bench) -> dict[str, Any]:
    """What a setting of torch would change: cuDNN trying its ways out for each size."""
    found: dict[str, Any] = {}
    for size in (64,) if bound.small else (512, 1024, 2048):
        for kind in ("bf16", "tf32"):
            torch.backends.cudnn.benchmark = True
            try:
                row = guarded(partial(_timed, bound, bench, size, kind, seconds=0.5))
            finally:
                torch.backends.cudnn.benchmark = False
            found[f"cudnn.benchmark {size} {kind}"] = row
            print(f"   cudnn.benchmark {size} {kind}: {row}", flush=True)
    return found


def graphs(bound: Bound, bench: Bench) -> dict[str, Any]:
    """The network forward and backward as one CUDA graph, beside one launch after another."""
    if bound.device != "cuda":
        return {"left out": "needs CUDA"}
    found: dict[str, Any] = {}
    for size in (128, 256, 512, 1024):
        found[str(size)] = guarded(partial(_graph, bound, bench, size))
        print(f"   {size}: {found[str(size)]}", flush=True)
    return found


def _graph(bound: Bound, bench: Bench, size: int) -> dict[str, Any]:
    network = _network(bench.session({"size": size}, "cuda", "bf16"))
    stream = network.stream(("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"))
    x = torch.rand(1, 3, size, size, device="cuda")

    def run() -> Tensor:
        result: Tensor = stream.backward(stream.forward(x, lambda *_: None, way_back=True), _inject)
        return result

    with torch.no_grad():
        eager = bound.milliseconds(run)
        wanted = run()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = run()
        captured = bound.milliseconds(graph.replay)
        graph.replay()
        same = bool(torch.equal(result, wanted))
    return {"eager_ms": eager, "graph_ms": captured, "gain": round(eager / captured, 2), "same": same}


def compiled(bound: Bound) -> Any:
    """The same compiled, in a process of its own that can be stopped."""
    limit = min(60.0, bound.left - 3.0)
    size = "64" if bound.small else "512"
    command = [sys.executable, str(_SELF), "--compile-only", size, "--device", bound.device]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    line = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-400:]
    print("  ", line)
    return json.loads(line) if done.returncode == 0 else line


def compile_only(bound: Bound, size: int) -> None:
    """For :func:`compiled`: eager and compiled, the plain network by autograd."""
    bench = Bench(paint("waves", size=size), paint("strokes", size=size), bound.device)
    network = _network(bench.session({"size": size}, bound.device, "bf16"))
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")

    def loss(x: Tensor) -> Tensor:
        features = network(x, layers)
        return torch.stack([each.float().square().mean() for each in features.values()]).sum()

    x = torch.rand(1, 3, size, size, device=bound.device).requires_grad_()

    def run(function: Callable[[Tensor], Tensor]) -> Tensor:
        return torch.autograd.grad(function(x), x)[0]

    stream = network.stream(layers)

    def ours() -> Tensor:
        with torch.no_grad():
            tape = stream.forward(x.detach(), lambda *_: None, way_back=True)
            result: Tensor = stream.backward(tape, _inject)
            return result

    found: dict[str, Any] = {"size": size, "stream_ms": bound.milliseconds(ours)}
    found["autograd_ms"] = bound.milliseconds(partial(run, loss))
    start = time.perf_counter()
    faster = torch.compile(loss, mode="default")
    run(faster)
    bound.synchronize()
    found["compile_s"] = round(time.perf_counter() - start, 1)
    found["compiled_ms"] = bound.milliseconds(partial(run, faster))
    print(json.dumps(found))


# --- the command ----------------------------------------------------------------------------------------------


def material(folder: Path | None) -> tuple[Pixels, Pixels, str]:
    """A content and a style: from the folder's content/ and style/, or swatches."""
    if folder is not None:
        content, style = folder / "content" / "tubingen.jpg", folder / "style" / "starry_night_google.jpg"
        flat = sorted(folder.glob("*.jpg")) + sorted(folder.glob("*.png"))
        pair = [content, style] if content.exists() and style.exists() else flat[:2]
        if len(pair) == 2:
            first, second = (np.asarray(Image.open(path).convert("RGB")) for path in pair)
            return first, second, f"{pair[0].name}, {pair[1].name}"
    return paint("waves", size=1024, seed=3), paint("strokes", size=1024), "swatches waves, strokes"


@contextmanager
def _quiet() -> Iterator[None]:
    """Python's warnings would bury the figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150.0, help="what is not begun by then is left out")
    parser.add_argument("--output", type=Path, default=Path("gpu"), help="a folder for gpu.json and pictures")
    parser.add_argument("--images", type=Path, help="a folder with a content and a style; else swatches")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="toy sizes")
    parser.add_argument("--only", nargs="+", help="these sections alone")
    parser.add_argument("--compile-only", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("gpu.py: this machine has no CUDA device; --device cpu tries it out")
    bound = Bound(given.seconds, given.output, given.device, small=given.small)
    if given.compile_only:
        compile_only(bound, given.compile_only)
        return
    given.output.mkdir(parents=True, exist_ok=True)
    content, style, names = material(given.images)
    bench = Bench(content, style, given.device)
    sections: dict[str, tuple[Callable[[], Any], float]] = {
        "machine": (partial(about, bound), 0.0),
        "checks": (partial(checks, bound, bench, seconds=0.33 * given.seconds), 5.0),
        "syncs": (partial(syncs, bound, bench), 5.0),
        "peak": (partial(peak_rate, bound), 3.0),
        "timings": (
            lambda: timings(
                bound, bench, bound.found.get("peak"), seconds=min(0.25 * given.seconds, bound.left)
            ),
            5.0,
        ),
        "pictures": (partial(pictures, bound, bench), 8.0),
        "graphs": (partial(graphs, bound, bench), 4.0),
        "batch": (partial(batch, bound, bench), 4.0),
        "choices": (partial(choices, bound, bench), 6.0),
        "side by side": (partial(side_by_side, bound, bench), 8.0),
        "compile": (partial(compiled, bound), 25.0),
    }
    bound.found["pictures shown"] = names
    with _quiet():
        for name, (run, least) in sections.items():
            if not given.only or name in given.only:
                bound.section(name, run, least=least if not given.small else 0.0)


if __name__ == "__main__":
    main()
