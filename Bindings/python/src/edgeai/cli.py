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

from . import check, compare, compress, factorize, load, prune, quantize, sensitivity
from ._arguments import amounts, fractions, pair, parser, shapes
from ._arrays import as_array, as_type
from ._checks import int32
from ._disk import read_file, write_file
from ._files import check_folder, read_array, read_inputs, read_samples, write_arrays
from ._text import bytes_text, count_text, shape_text, text_table
from .carray import c_array
from .quantization import Result
from .errors import EdgeAIError
from .model import Model, save_target
from .session import Session


def _load(options: argparse.Namespace) -> Model:
    return load(options.model, shapes=shapes(options))


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
    if options.tuning and options.tune:
        check_folder(options.tuning)
    elif options.tuning:
        tuning = read_file(options.tuning)
    session = Session(
        model,
        tune=options.tune,
        tuning=tuning,
        batch=getattr(options, "batch", None),
        threads=options.threads,
        spin_us=options.spin_us,
        strict=options.strict,
        isa=options.isa,
        max_extent=options.max_extent,
        max_iterations=options.max_iterations,
        precision=options.precision,
        compact=options.compact,
    )
    if options.tuning and options.tune:
        write_file(options.tuning, session.tuning)
    return session


def _info(options: argparse.Namespace) -> int:
    usual = vars(parser().parse_args(["info", options.model, "--plan"]))
    for name, value in vars(options).items():
        if name not in ("plan", "shape") and value != usual[name] and not options.plan:
            raise ValueError(f"--{name.replace('_', '-')} is of a plan: it needs --plan")
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
    result = check(options.model, shapes=shapes(options))
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
    block = pair(options.block, "x", "--block")
    chosen = {"norm": options.norm, "names": options.name, "depthwise": options.depthwise, "first": options.first,
              "block": block, "threads": options.threads, "progress": sys.stderr.isatty()}  # fmt: skip
    table = None
    if options.scan is not None:
        shares = fractions(options.scan)
        if data is None:
            raise ValueError("--scan needs --data")
        table = sensitivity(model, data, shares, **chosen)
        print(table)
    result = prune(
        model,
        options.amount,
        method=options.method,
        pattern=None if options.pattern is None else pair(options.pattern, ":", "--pattern"),
        layers=amounts(options),
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
        layers=amounts(options),
        data=_samples(model, options),
        threads=options.threads,
        progress=sys.stderr.isatty(),
    )
    return _save_result(result, options)


def _compress(options: argparse.Namespace) -> int:
    if options.checkpoint and options.recipe is None:
        check_folder(options.checkpoint)
    model = _load_to_save(options)
    result = compress(
        model,
        _samples(model, options),
        recipe=options.recipe,
        target_bytes=options.target_bytes,
        target_latency=None if options.target_ms is None else options.target_ms / 1e3,
        max_drop=options.max_drop,
        method=options.method,
        block=pair(options.block, "x", "--block"),
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
    measured = f"output {result.report.sqnr_db:.1f} dB; " if result.report.samples else ""
    print(f"{measured}wrote {options.output}: {bytes_text(size)}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    # The shape is for those of the two that leave theirs open; other formats have none to give.
    model, other = (load(path, shapes=shapes(options) if path.endswith(".onnx") else None) for path in (options.model, options.other))
    print(compare(model, other, read_samples(model, options.data, None)))
    return 0


def _bench(options: argparse.Namespace) -> int:
    if not 0 <= options.seconds < float("inf"):
        raise ValueError(f"--seconds is {options.seconds}; it must be at least 0")
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
    if options.trace_runs is not None and not options.trace:
        raise ValueError("--trace-runs needs --trace")
    for path in filter(None, (options.json, options.trace)):
        check_folder(path)
    model = _load(options)
    x = tuple(read_array(text) for text in options.inputs) or _random_input(model, options)
    with _session(model, options) as session:
        traced = (1 if options.trace_runs is None else options.trace_runs) if options.trace else 0
        profile = session.profile(x, runs=options.runs, trace_runs=traced)
    print(profile)
    total = sum(profile.by_op().values()) or 1.0
    print(f"{profile.mean_us:.1f} us, mean of {options.runs} runs, {options.threads} threads{profile._peak_text()}: " + ", ".join(
        f"{op} {100 * us / total:.1f} %" for op, us in list(profile.by_op().items())[:5]
    ))
    if options.json:
        write_file(options.json, (profile.to_json() + "\n").encode())
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


_COMMANDS = {
    "info": _info,
    "check": _check,
    "run": _run,
    "quantize": _quantize,
    "prune": _prune,
    "factorize": _factorize,
    "compress": _compress,
    "compare": _compare,
    "bench": _bench,
    "profile": _profile,
    "convert": _convert,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status: 0, 1 for a negative answer, 2 for a failure."""
    options = parser().parse_args(arguments)
    try:
        return _COMMANDS[options.command](options)
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
