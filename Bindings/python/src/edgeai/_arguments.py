"""What the ``edgeai`` command takes: its commands with their options, and the forms that the values of these have."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import NoReturn

from . import build_info


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as the commands do."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def _number_of(kind: Callable[[str], float], what: str) -> Callable[[str], float]:
    """The type of an option, whose error names the option, the value and what is allowed."""

    def parsed(text: str) -> float:
        try:
            return kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"takes {what}, not {text!r}") from None

    return parsed


_whole = _number_of(int, "a whole number")
_real = _number_of(float, "a number")


def shapes(options: argparse.Namespace) -> dict[str, tuple[int | None, ...]]:
    """NAME=1,3,97,131 for each --shape; N stands for the number of samples."""
    found: dict[str, tuple[int | None, ...]] = {}
    for text in options.shape:
        name, _, dims = text.rpartition("=")
        try:
            found[name] = tuple(None if d.strip() == "N" else int(d) for d in dims.split(",") if d.strip())
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--shape takes NAME=1,3,97,131, not {text}")
    return found


def amounts(options: argparse.Namespace) -> dict[str, float]:
    """NAME=AMOUNT for each --layer."""
    found: dict[str, float] = {}
    for text in options.layer:
        name, _, amount = text.rpartition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            name = ""
        if not name:
            raise ValueError(f"--layer takes NAME=AMOUNT, not {text}")
    return found


def pair(text: str, separator: str, option: str) -> tuple[int, int]:
    """2:4 or 1x8."""
    left, _, right = text.partition(separator)
    try:
        return int(left), int(right)
    except ValueError:
        raise ValueError(f"{option} takes two numbers such as 1{separator}4, not {text}") from None


def fractions(text: str) -> list[float]:
    """0.3,0.6,0.9 for --scan."""
    try:
        found = [float(share) for share in text.split(",")]
    except ValueError:
        found = [math.nan]
    if not all(0 <= share <= 1 for share in found):
        raise ValueError(f"--scan takes shares from 0 to 1 such as 0.3,0.6,0.9, not {text!r}")
    return found


def parser() -> Parser:
    """The command line; its result has the command's name as ``command``."""
    whole = Parser(prog="edgeai", description="Compress neural networks and run them.")
    whole.add_argument("--version", action="version", version=build_info())
    commands = whole.add_subparsers(required=True, dest="command", metavar="COMMAND")

    threaded = Parser(add_help=False)
    threaded.add_argument("--threads", type=_whole, default=1, help="working threads (default 1)")
    working = Parser(add_help=False, parents=[threaded])
    working.add_argument("--strict", action="store_true", help="refuse operators that would run on a reference kernel, or in float in a quantized model")
    running = Parser(add_help=False, parents=[working])
    running.add_argument("--isa", help="instruction set, such as avx2 (default: the best this CPU has)")
    running.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="what float layers multiply in")
    running.add_argument("--compact", action="store_true", help="less memory, more time: no convolution in Winograd's form")
    running.add_argument("--spin-us", type=_whole, metavar="N", help="how long idle threads look for work before they sleep; 0: not at all (default 100)")
    running.add_argument("--max-extent", type=_whole, metavar="N", help="room for so many entries of a size that depends on data (default 65536)")
    running.add_argument("--max-iterations", type=_whole, metavar="N", help="iterations of all loops together in one run (default 1000000)")
    running.add_argument("--tune", action="store_true", help="measure which kernels are fastest here")
    running.add_argument("--tuning", metavar="FILE", help="take the kernels that FILE names; with --tune, write them there")
    batch = Parser(add_help=False)
    batch.add_argument("--batch", type=_whole, help="samples in one run")

    def command(name: str, text: str, parents: Sequence[Parser] = ()) -> Parser:
        sub = commands.add_parser(name, help=text, description=text, parents=list(parents))
        sub.add_argument("model", help=".onnx, .tflite or .edgeai file")
        sub.add_argument(
            "--shape", action="append", default=[], metavar="NAME=DIMS",
            help="shape of an input that an .onnx file leaves open, such as x=1,3,97,131; N is the number of samples",
        )
        return sub

    sub = command("info", "Show a model's operators, inputs, outputs and metadata.", (running, batch))
    sub.add_argument("--plan", action="store_true", help="show the kernels and the memory it would run with")

    command("check", "List the operators that cannot run.")

    sub = command("run", "Run a model on arrays.", (running, batch))
    sub.add_argument("inputs", nargs="+", metavar="FILE", help=".npy, or .npz:KEY; NAME=FILE for a named input")
    sub.add_argument("-o", "--output", help="file for the outputs, in the form of .npz (default: print them); bfloat16 as uint16")

    def sampled(required: bool) -> Parser:
        options = Parser(add_help=False)
        options.add_argument("-d", "--data", nargs="+", required=required, metavar="FILE", help="typical samples: .npy, or .npz:KEY; NAME=FILE for each input of several")
        options.add_argument("-n", "--samples", type=_whole, help="use the first so many samples")
        return options

    sub = command("quantize", "Make an int8 model.", (working, sampled(required=True)))
    sub.add_argument("-o", "--output", required=True, help=".edgeai or .onnx file to write")
    sub.add_argument(
        "--calibrator", default="min-max", choices=["min-max", "moving-average", "percentile", "entropy", "mse"]
    )
    sub.add_argument("--per-tensor", action="store_true", help="one weight scale for each layer")
    sub.add_argument("--ignore", action="append", default=[], metavar="OPERATOR", help="leave this operator in float")
    sub.add_argument("--ignore-type", action="append", default=[], metavar="TYPE", help="leave operators of this type in float")
    sub.add_argument("--report", metavar="FILE", help="write the report as JSON")

    fewer = Parser(add_help=False, parents=[threaded, sampled(required=False)])
    fewer.add_argument("-o", "--output", required=True, help=".edgeai or .onnx file to write")
    fewer.add_argument("--name", action="append", default=[], metavar="LAYER", help="only this layer; may end in *")
    fewer.add_argument("--layer", action="append", default=[], metavar="NAME=AMOUNT", help="an amount of its own; 0 leaves the layer as it is")
    fewer.add_argument("--report", metavar="FILE", help="write the report as JSON")

    sub = command("prune", "Set weights to zero, and repair the rest if there are data.", (fewer,))
    sub.add_argument("-a", "--amount", type=_real, default=0.5, help="share of the weights to remove (default 0.5); standard deviations with threshold")
    sub.add_argument("--method", default="layerwise", choices=["layerwise", "global", "threshold"])
    sub.add_argument("--pattern", metavar="N:M", help="keep N of each M neighbouring input channels")
    sub.add_argument("--block", default="1x1", metavar="RxC", help="remove blocks of R output and C input channels")
    sub.add_argument("--norm", type=_whole, default=2, choices=[1, 2], help="score blocks by the mean of |w| or of its square")
    sub.add_argument("--depthwise", action="store_true", help="also depthwise layers")
    sub.add_argument("--first", action="store_true", help="also the first layers")
    sub.add_argument("--scan", metavar="SHARES", help="measure each layer at these shares, such as 0.3,0.6,0.9, and let all lose alike")
    sub.add_argument("--repair", default="least-squares", choices=["none", "bias", "least-squares"])
    sub.add_argument("--sequential", action="store_true", help="let layers make up for the errors of those before them")

    sub = command("factorize", "Make two layers of low rank of one, where that saves weights.", (fewer,))
    sub.add_argument("-a", "--amount", type=_real, default=0.1, help="relative error, share of energy, or rank (default 0.1)")
    sub.add_argument("--rank", default="error", choices=["error", "energy", "count"], help="what the amount is")
    sub.add_argument("--channels", action="store_true", help="factorize k x k kernels into k x k and 1 x 1, not k x 1 and 1 x k")

    sub = command("compress", "Make a model small, by a recipe or as far as a budget asks.", (threaded, sampled(required=False)))
    sub.add_argument("-o", "--output", required=True, help=".edgeai file to write")
    sub.add_argument("--coding", default="adaptive", choices=["none", "huffman", "adaptive"], help="of the file's constants (default adaptive)")
    goal = sub.add_mutually_exclusive_group(required=True)
    goal.add_argument("--recipe", metavar="STEPS", help="methods one after another, such as 'prune:amount=0.8,block=16x1 share:bits=5'; most need no --data")
    goal.add_argument("--target-bytes", type=_whole, metavar="N", help="the coded file has at most N bytes")
    goal.add_argument("--target-ms", type=_real, metavar="MS", help="a run of one sample takes at most so long")
    goal.add_argument("--max-drop", type=_real, metavar="POINTS", help="at most so many points of top-1 are lost")
    sub.add_argument("--method", default="grid", choices=["grid", "blocks"], help="what a search does to layers (default grid)")
    sub.add_argument("--block", default="16x1", metavar="RxC", help="for blocks: output by input channels (default 16x1)")
    sub.add_argument("--labels", metavar="FILE", help="the right class of each sample, for --max-drop: .npy, or .npz:KEY")
    sub.add_argument("--checkpoint", metavar="PATH", help="keep what was done there, and go on from it")
    sub.add_argument("--report", metavar="FILE", help="write the report as JSON")

    sub = command("compare", "Measure how far one model is from another, layer by layer.")
    sub.add_argument("other", help="the model to judge")
    sub.add_argument("data", nargs="+", metavar="FILE", help="samples: .npy, or .npz:KEY; NAME=FILE for each input of several")

    sub = command("bench", "Time a model.", (running, batch))
    sub.add_argument("inputs", nargs="*", metavar="FILE", help="arrays (default: random)")
    sub.add_argument("--seconds", type=_real, default=1.0, help="how long to measure (default 1)")
    sub.add_argument("--plan", action="store_true", help="show the plan")
    sub.add_argument("--profile", action="store_true", help="show the time of every step")

    sub = command("profile", "Show where the time of a model goes, step by step.", (running, batch))
    sub.add_argument("inputs", nargs="*", metavar="FILE", help="arrays (default: random)")
    sub.add_argument("--runs", type=_whole, default=50, help="how many runs to measure (default 50)")
    sub.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    sub.add_argument("--trace", metavar="FILE", help="write a trace for chrome://tracing or Perfetto")
    sub.add_argument("--trace-runs", type=_whole, metavar="N", help="the last so many runs are in the trace (default 1)")

    sub = command("convert", "Write a model as .edgeai, as .onnx, or as a C array (.c, .h).")
    sub.add_argument("-o", "--output", required=True)
    sub.add_argument("--name", help="name of the C array (default: the file's)")
    sub.add_argument(
        "--coding", choices=("none", "huffman", "adaptive"), default="none",
        help="how an .edgeai file has its weights: none, to be used in place (default), or coded to be small",
    )
    return whole
