"""The ``edgeai`` command."""

from __future__ import annotations

import argparse
import pathlib
import re
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import build_info, check, compare, compress, factorize, load, prune, quantize, sensitivity
from ._arrays import as_array, as_type
from ._checks import int32
from ._files import check_folder, read_array, read_inputs, read_samples, write_arrays
from ._text import bytes_text, count_text, shape_text, text_table
from .carray import c_array
from .quantization import Result
from .errors import EdgeAIError
from .model import Model, save_target
from .session import Session


def _shapes(options: argparse.Namespace) -> dict[str, tuple[int | None, ...]]:
    """NAME=1,3,97,131 for each --shape; N stands for the number of samples."""
    shapes: dict[str, tuple[int | None, ...]] = {}
    for text in options.shape:
        name, _, dims = text.rpartition("=")
        try:
            shapes[name] = tuple(None if d.strip() == "N" else int(d) for d in dims.split(",") if d.strip())
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--shape takes NAME=1,3,97,131, not {text}")
    return shapes


def _load(options: argparse.Namespace) -> Model:
    return load(options.model, shapes=_shapes(options))


def _load_to_save(options: argparse.Namespace) -> Model:
    """The model, when nothing stands in the way of files that are to be written after long work."""
    save_target(options.output, getattr(options, "coding", "none"))
    for path in filter(None, (options.output, options.report)):
        check_folder(path)
    return _load(options)


def _random_input(model: Model, options: argparse.Namespace) -> tuple[np.ndarray[Any, Any], ...]:
    batch = 1 if options.batch is None else int32("--batch", options.batch, least=1)
    random = np.random.default_rng(0)
    arrays = []
    for t in model.inputs:
        shape = tuple(batch if dim is None else dim for dim in t.shape)
        if "float" in t.dtype:
            arrays.append(as_type(random.standard_normal(shape), t.dtype))
        else:
            arrays.append(random.integers(0, 2 if t.dtype == "bool" else 128, shape).astype(t.dtype))
    return tuple(arrays)


def _session(model: Model, options: argparse.Namespace) -> Session:
    tuning = None
    if options.tuning and not options.tune:
        tuning = pathlib.Path(options.tuning).read_bytes()
    session = Session(
        model,
        tune=options.tune,
        tuning=tuning,
        batch=getattr(options, "batch", None),
        threads=options.threads,
        strict=options.strict,
        isa=options.isa,
        max_extent=options.max_extent,
        max_iterations=options.max_iterations,
        precision=options.precision,
    )
    if options.tuning and options.tune:
        pathlib.Path(options.tuning).write_bytes(session.tuning)
    return session


def _info(options: argparse.Namespace) -> int:
    model = _load(options)
    print(model.summary())
    for kind, tensors in (("input", model.inputs), ("output", model.outputs)):
        for t in tensors:
            print(f"{kind} {t.name}: {t.dtype} {t.shape_text}")
    for key, value in model.metadata.items():
        print(f"{key} = {value}")
    if options.plan:
        with _session(model, options) as session:
            print(session.plan_text)
    return 0


def _check(options: argparse.Namespace) -> int:
    result = check(options.model, shapes=_shapes(options))
    if result:
        print(f"{options.model}: every operator can run")
        return 0
    print(text_table(("node", "#", "operator", "reason"), [(u.node, u.index, u.type, u.reason) for u in result.unsupported]))
    return 1


def _run(options: argparse.Namespace) -> int:
    if options.output:
        if options.output.lower().endswith(".npy"):
            raise ValueError(f"outputs are written as an .npz file, not as .npy: {options.output}")
        check_folder(options.output)
    model = _load(options)
    with _session(model, options) as session:
        outputs = session.run(read_inputs(model, options.inputs))
    named = {t.name: y for t, y in zip(model.outputs, outputs, strict=True)}
    if options.output:
        # A file of numpy's has no bfloat16: its bits.
        write_arrays(options.output, {name: as_array(y) for name, y in named.items()})
        print(f"wrote {options.output}")
    for name, array in named.items():
        print(f"{name}: {array.dtype} {shape_text(array.shape)}")
        if not options.output:
            print(array)
    return 0


def _samples(model: Model, options: argparse.Namespace) -> Any:
    """Typical inputs from the files of --data; None without any."""
    return read_samples(model, options.data, options.samples)


def _quantize(options: argparse.Namespace) -> int:
    model = _load_to_save(options)
    result = quantize(
        model,
        _samples(model, options),
        calibrator=options.calibrator,
        per_channel=not options.per_tensor,
        ignore=options.ignore,
        ignore_types=options.ignore_type,
        strict=options.strict,
        threads=options.threads,
        progress=sys.stderr.isatty(),
    )
    result.save(options.output)
    if options.report:
        pathlib.Path(options.report).write_text(result.report.to_json() + "\n")
    print(result.report)
    print(f"{bytes_text(result.before)} -> {bytes_text(result.after)}; output {result.report.sqnr_db:.1f} dB; wrote {options.output}")
    for text in result.report.suggestions:
        print(text)
    return 0


def _amounts(options: argparse.Namespace) -> dict[str, float]:
    """NAME=AMOUNT for each --layer."""
    amounts: dict[str, float] = {}
    for text in options.layer:
        name, _, amount = text.rpartition("=")
        try:
            amounts[name] = float(amount)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--layer takes NAME=AMOUNT, not {text}")
    return amounts


def _pair(text: str, separator: str, option: str) -> tuple[int, int]:
    """2:4 or 1x8."""
    left, _, right = text.partition(separator)
    try:
        return int(left), int(right)
    except ValueError:
        raise ValueError(f"{option} takes two numbers such as 1{separator}4, not {text}") from None


def _save_result(result: Result, options: argparse.Namespace) -> int:
    result.save(options.output)
    if options.report:
        pathlib.Path(options.report).write_text(result.report.to_json() + "\n")
    print(result.report)
    measured = f"; output {result.report.sqnr_db:.1f} dB" if result.report.samples else ""
    print(f"{100 * result.report.kept:.1f} % of the weights kept{measured}; wrote {options.output}")
    return 0


def _prune(options: argparse.Namespace) -> int:
    model = _load_to_save(options)
    data = _samples(model, options)
    block = _pair(options.block, "x", "--block")
    chosen = {"norm": options.norm, "names": options.name, "depthwise": options.depthwise, "first": options.first,
              "block": block, "threads": options.threads, "progress": sys.stderr.isatty()}  # fmt: skip
    table = None
    if options.scan:
        if data is None:
            raise ValueError("--scan needs --data")
        table = sensitivity(model, data, [float(share) for share in options.scan.split(",")], **chosen)
        print(table)
    result = prune(
        model,
        options.amount,
        method=options.method,
        pattern=_pair(options.pattern, ":", "--pattern") if options.pattern else None,
        layers=_amounts(options),
        sensitivity=table,
        data=data,
        repair=options.repair,
        sequential=options.sequential,
        **chosen,
    )
    return _save_result(result, options)


def _factorize(options: argparse.Namespace) -> int:
    model = _load_to_save(options)
    result = factorize(
        model,
        options.amount,
        rank=options.rank,
        spatial=not options.channels,
        names=options.name,
        layers=_amounts(options),
        data=_samples(model, options),
        threads=options.threads,
        progress=sys.stderr.isatty(),
    )
    return _save_result(result, options)


def _compress(options: argparse.Namespace) -> int:
    model = _load_to_save(options)
    result = compress(
        model,
        _samples(model, options),
        recipe=options.recipe,
        target_bytes=options.target_bytes,
        target_latency=None if options.target_ms is None else options.target_ms / 1e3,
        max_drop=options.max_drop,
        method=options.method,
        block=_pair(options.block, "x", "--block"),
        labels=None if options.labels is None else read_array(options.labels),
        threads=options.threads,
        checkpoint=options.checkpoint,
        progress=sys.stderr.isatty(),
    )
    result.model.save(options.output, coding=options.coding)
    if options.report:
        pathlib.Path(options.report).write_text(result.report.to_json() + "\n")
    print(result.report.stage_table())
    size = pathlib.Path(options.output).stat().st_size
    print(f"output {result.report.sqnr_db:.1f} dB; wrote {options.output}: {bytes_text(size)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    # The shape is for those of the two that leave theirs open; other formats have none to give.
    model, other = (load(path, shapes=_shapes(options) if path.endswith(".onnx") else None) for path in (options.model, options.other))
    print(compare(model, other, read_array(options.data)))
    return 0


def _bench(options: argparse.Namespace) -> int:
    model = _load(options)
    x = tuple(read_array(text) for text in options.inputs) or _random_input(model, options)
    with _session(model, options) as session:
        session.run(x)
        times: list[float] = []
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end or len(times) < 5:
            start = time.perf_counter()
            session.run(x)
            times.append((time.perf_counter() - start) * 1e3)
        print(
            f"{options.model}: least {min(times):.4f} ms, median {statistics.median(times):.4f} ms of {len(times)} runs; "
            f"{options.threads} threads, {2 * model.macs * (options.batch or 1) / min(times) / 1e6:.1f} GOP/s, "
            f"memory {bytes_text(session.memory.total)}"
        )
        if options.plan:
            print(session.plan_text)
        if options.profile:
            print(session.profile(x))
    return 0


def _profile(options: argparse.Namespace) -> int:
    model = _load(options)
    x = tuple(read_array(text) for text in options.inputs) or _random_input(model, options)
    with _session(model, options) as session:
        profile = session.profile(x, runs=options.runs, trace_runs=options.trace_runs if options.trace else 0)
    print(profile)
    total = sum(profile.by_op().values()) or 1.0
    print(f"{profile.mean_us:.1f} us, mean of {options.runs} runs, {options.threads} threads: " + ", ".join(
        f"{op} {100 * us / total:.1f} %" for op, us in list(profile.by_op().items())[:5]
    ))
    if options.json:
        pathlib.Path(options.json).write_text(profile.to_json() + "\n")
        print(f"wrote {options.json}")
    if options.trace:
        profile.to_trace(options.trace)
        print(f"wrote {options.trace}, for chrome://tracing or https://ui.perfetto.dev")
    return 0


def _convert(options: argparse.Namespace) -> int:
    model = _load(options)
    target = pathlib.Path(options.output)
    if target.suffix.lower() in (".c", ".h"):
        name = options.name or re.sub(r"\W", "_", target.stem)
        target.write_text(c_array(model.to_bytes(coding=options.coding), name))
    else:
        model.save(target, coding=options.coding)
    print(f"wrote {target}: {bytes_text(target.stat().st_size)}, {count_text(model.parameters)} parameters")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edgeai", description="Compress neural networks and run them.")
    parser.add_argument("--version", action="version", version=build_info())
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    working = argparse.ArgumentParser(add_help=False)
    working.add_argument("--threads", type=int, default=1, help="working threads (default 1)")
    working.add_argument("--strict", action="store_true", help="refuse operators that would run on a reference kernel, or in float in a quantized model")
    running = argparse.ArgumentParser(add_help=False, parents=[working])
    running.add_argument("--isa", help="instruction set, such as avx2 (default: the best this CPU has)")
    running.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="what float layers multiply in")
    running.add_argument("--max-extent", type=int, metavar="N", help="room for so many entries of a size that depends on data (default 65536)")
    running.add_argument("--max-iterations", type=int, metavar="N", help="iterations of all loops together in one run (default 1000000)")
    running.add_argument("--tune", action="store_true", help="measure which kernels are fastest here")
    running.add_argument("--tuning", metavar="FILE", help="take the kernels that FILE names; with --tune, write them there")
    batch = argparse.ArgumentParser(add_help=False)
    batch.add_argument("--batch", type=int, help="samples in one run")

    def command(name: str, action: Any, text: str, parents: Sequence[argparse.ArgumentParser] = ()) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, parents=list(parents))
        sub.add_argument("model", help=".onnx, .tflite or .edgeai file")
        sub.add_argument(
            "--shape", action="append", default=[], metavar="NAME=DIMS",
            help="shape of an input that an .onnx file leaves open, such as x=1,3,97,131; N is the number of samples",
        )
        sub.set_defaults(action=action)
        return sub

    sub = command("info", _info, "Show a model's operators, inputs, outputs and metadata.", (running, batch))
    sub.add_argument("--plan", action="store_true", help="show the kernels and the memory it would run with")

    command("check", _check, "List the operators that cannot run.")

    sub = command("run", _run, "Run a model on arrays.", (running, batch))
    sub.add_argument("inputs", nargs="+", metavar="FILE", help=".npy, or .npz:KEY; NAME=FILE for a named input")
    sub.add_argument("-o", "--output", help="file for the outputs, in the form of .npz (default: print them); bfloat16 as uint16")

    sampled = argparse.ArgumentParser(add_help=False)
    sampled.add_argument("-d", "--data", nargs="+", required=True, metavar="FILE", help="typical samples: .npy, or .npz:KEY; NAME=FILE for each input of several")
    sampled.add_argument("-n", "--samples", type=int, help="use the first so many samples")

    sub = command("quantize", _quantize, "Make an int8 model.", (working, sampled))
    sub.add_argument("-o", "--output", required=True, help=".edgeai or .onnx file to write")
    sub.add_argument(
        "--calibrator", default="min-max", choices=["min-max", "moving-average", "percentile", "entropy", "mse"]
    )
    sub.add_argument("--per-tensor", action="store_true", help="one weight scale for each layer")
    sub.add_argument("--ignore", action="append", default=[], metavar="OPERATOR", help="leave this operator in float")
    sub.add_argument("--ignore-type", action="append", default=[], metavar="TYPE", help="leave operators of this type in float")
    sub.add_argument("--report", metavar="FILE", help="write the report as JSON")

    fewer = argparse.ArgumentParser(add_help=False)
    fewer.add_argument("--threads", type=int, default=1, help="working threads (default 1)")
    fewer.add_argument("-d", "--data", nargs="+", metavar="FILE", help="typical inputs: .npy, or .npz:KEY; NAME=FILE for each input of several")
    fewer.add_argument("-o", "--output", required=True, help=".edgeai or .onnx file to write")
    fewer.add_argument("-n", "--samples", type=int, help="use the first so many samples")
    fewer.add_argument("--name", action="append", default=[], metavar="LAYER", help="only this layer; may end in *")
    fewer.add_argument("--layer", action="append", default=[], metavar="NAME=AMOUNT", help="an amount of its own; 0 leaves the layer as it is")
    fewer.add_argument("--report", metavar="FILE", help="write the report as JSON")

    sub = command("prune", _prune, "Set weights to zero, and repair the rest if there are data.", (fewer,))
    sub.add_argument("-a", "--amount", type=float, default=0.5, help="share of the weights to remove (default 0.5); standard deviations with threshold")
    sub.add_argument("--method", default="layerwise", choices=["layerwise", "global", "threshold"])
    sub.add_argument("--pattern", metavar="N:M", help="keep N of each M neighbouring input channels")
    sub.add_argument("--block", default="1x1", metavar="RxC", help="remove blocks of R output and C input channels")
    sub.add_argument("--norm", type=int, default=2, choices=[1, 2], help="score blocks by the mean of |w| or of its square")
    sub.add_argument("--depthwise", action="store_true", help="also depthwise layers")
    sub.add_argument("--first", action="store_true", help="also the first layers")
    sub.add_argument("--scan", metavar="SHARES", help="measure each layer at these shares, such as 0.3,0.6,0.9, and let all lose alike")
    sub.add_argument("--repair", default="least-squares", choices=["none", "bias", "least-squares"])
    sub.add_argument("--sequential", action="store_true", help="let layers make up for the errors of those before them")

    sub = command("factorize", _factorize, "Make two layers of low rank of one, where that saves weights.", (fewer,))
    sub.add_argument("-a", "--amount", type=float, default=0.1, help="relative error, share of energy, or rank (default 0.1)")
    sub.add_argument("--rank", default="error", choices=["error", "energy", "count"], help="what the amount is")
    sub.add_argument("--channels", action="store_true", help="factorize k x k kernels into k x k and 1 x 1, not k x 1 and 1 x k")

    sub = command("compress", _compress, "Make a model small, by a recipe or as far as a budget asks.", (working, sampled))
    sub.add_argument("-o", "--output", required=True, help=".edgeai file to write")
    sub.add_argument("--coding", default="adaptive", choices=["none", "huffman", "adaptive"], help="of the file's constants (default adaptive)")
    goal = sub.add_mutually_exclusive_group(required=True)
    goal.add_argument("--recipe", metavar="STEPS", help="methods one after another, such as 'prune:amount=0.8,block=16x1 share:bits=5'")
    goal.add_argument("--target-bytes", type=int, metavar="N", help="the coded file has at most N bytes")
    goal.add_argument("--target-ms", type=float, metavar="MS", help="a run of one sample takes at most so long")
    goal.add_argument("--max-drop", type=float, metavar="POINTS", help="at most so many points of top-1 are lost")
    sub.add_argument("--method", default="grid", choices=["grid", "blocks"], help="what a search does to layers (default grid)")
    sub.add_argument("--block", default="16x1", metavar="RxC", help="for blocks: output by input channels (default 16x1)")
    sub.add_argument("--labels", metavar="FILE", help="the right class of each sample, for --max-drop: .npy, or .npz:KEY")
    sub.add_argument("--checkpoint", metavar="PATH", help="keep what was done there, and go on from it")
    sub.add_argument("--report", metavar="FILE", help="write the report as JSON")

    sub = command("compare", _compare, "Measure how far one model is from another, layer by layer.")
    sub.add_argument("other", help="the model to judge")
    sub.add_argument("data", metavar="FILE", help="samples: .npy, or .npz:KEY")

    sub = command("bench", _bench, "Time a model.", (running, batch))
    sub.add_argument("inputs", nargs="*", metavar="FILE", help="arrays (default: random)")
    sub.add_argument("--seconds", type=float, default=1.0, help="how long to measure (default 1)")
    sub.add_argument("--plan", action="store_true", help="show the plan")
    sub.add_argument("--profile", action="store_true", help="show the time of every step")

    sub = command("profile", _profile, "Show where the time of a model goes, step by step.", (running, batch))
    sub.add_argument("inputs", nargs="*", metavar="FILE", help="arrays (default: random)")
    sub.add_argument("--runs", type=int, default=50, help="how many runs to measure (default 50)")
    sub.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    sub.add_argument("--trace", metavar="FILE", help="write a trace for chrome://tracing or Perfetto")
    sub.add_argument("--trace-runs", type=int, default=1, metavar="N", help="the last so many runs are in the trace (default 1)")

    sub = command("convert", _convert, "Write a model as .edgeai, as .onnx, or as a C array (.c, .h).")
    sub.add_argument("-o", "--output", required=True)
    sub.add_argument("--name", help="name of the C array (default: the file's)")
    sub.add_argument(
        "--coding", choices=("none", "huffman", "adaptive"), default="none",
        help="how an .edgeai file has its weights: none, to be used in place (default), or coded to be small",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status: 0, 1 for a negative answer, 2 for a failure."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.action(options)
        return status
    except EdgeAIError as error:
        print(f"edgeai: {error.status}: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
    except MemoryError as error:
        print(f"edgeai: out of memory: {error}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"edgeai: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("edgeai: cancelled", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
