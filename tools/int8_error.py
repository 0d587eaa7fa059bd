#!/usr/bin/env python3
"""How far quantised models are from the float model they come from: cinfer, onnxruntime optimised, not optimised.

    python tools/int8_error.py NAME__int8.onnx ... [--pictures PICTURE ...] [--split AXIS:AT]
    python tools/int8_error.py INT8.onnx=FLOAT.onnx ...

For each output two figures, as of `cinfer compare`: the root mean square of the errors and the largest one, both over
the scale, the largest number of the float answer; over all inputs together. The float answer is that of onnxruntime,
not optimised, for FLOAT.onnx; where that is not said it is NAME.onnx beside NAME__ANYTHING.onnx. Inputs are those of
NAME__ANYTHING.npz beside the model (arrays "in0:NAME", "in1:NAME", ...), the pictures, prepared as the float model's
recipe says, or random numbers. --split tells apart what lies in one output before and from AT on, as boxes and scores.
A line ends with "behind" where cinfer's error is more than 5 % above that of onnxruntime optimised. Needs onnxruntime.
"""
import argparse
import sys
from pathlib import Path

import onnxruntime

import cinfer
from cinfer.cli import complain
from cinfer.compare.difference import Difference
from cinfer.stored import Stored
from cinfer.vision import Reader
from cinfer.vision.inputs import feeds, input_shapes, inputs_in, made_up, stored_feeds

LEVELS = onnxruntime.GraphOptimizationLevel
BEHIND = 1.05


def runner(path, level):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level, options.graph_optimization_level = 1, 4, level
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:                      # its exceptions have no base of their own
        raise cinfer.Error(f"{path}: onnxruntime: {error}") from None


def pair(text):
    """(quantised, float) paths."""
    quantised, _, real = text.partition("=")
    path = Path(quantised)
    if not real and "__" not in path.stem:
        raise cinfer.Error(f"{path.name}: which float model does it come from? {path.name}=FLOAT.onnx says it")
    return path, Path(real) if real else path.with_name(path.stem.split("__")[0] + path.suffix)


def feeds_of(path, real, pictures):
    session, beside = cinfer.load(real, threads=1), path.with_suffix(".npz")
    if pictures:
        return [*feeds(session, pictures, Reader(session))]
    if beside.exists():
        with Stored(beside) as stored:
            return [stored_feeds(stored, session.inputs, number) for number in inputs_in(stored.names, session.inputs)]
    shapes = input_shapes(session, {}, lambda name, sizes: "--pictures")
    return [{port.name: made_up(port, shapes[port.name]) for port in session.inputs}]


def compared(got, want):
    found = Difference(None)
    for each in want:
        found.see(each)
    for pair in zip(got, want):
        found.add(*pair)
    return found


def parts_of(name, array, split):
    """What is judged apart in an output: (label, index)."""
    if split is None or array.ndim <= split[0]:
        return [(name, ...)]
    before = (slice(None),) * split[0]
    return [(f"{name}[:{split[1]}]", (*before, slice(None, split[1]))),
            (f"{name}[{split[1]}:]", (*before, slice(split[1], None)))]


def report(path, real, pictures, split):
    fed = feeds_of(path, real, pictures)
    names = [o.name for o in cinfer.load(path, threads=1).outputs]
    runs = {"cinfer": cinfer.load(path, threads=1), "onnxruntime": runner(path, LEVELS.ORT_ENABLE_ALL),
            "not optimised": runner(path, LEVELS.ORT_DISABLE_ALL)}
    plain = runner(real, LEVELS.ORT_DISABLE_ALL)
    want = [plain.run(None, f) for f in fed]
    answers = {engine: [run.run(None, f) for f in fed] for engine, run in runs.items()}
    for i, name in enumerate(names):
        for label, index in parts_of(name, want[0][i], split):
            rows = {engine: compared([y[i][index] for y in ys], [w[i][index] for w in want])
                    for engine, ys in answers.items()}
            cells = "  ".join(f"{row.rms:.5f} {row.of_scale:.5f}" for row in rows.values())
            behind = rows["cinfer"].rms > BEHIND * rows["onnxruntime"].rms
            print(f"{path.stem[:28]:28s} {label[:16]:16s} {len(fed):3d}  {cells}{'  behind' if behind else ''}",
                  flush=True)


def split_of(text):
    axis, _, at = text.partition(":")
    return int(axis), int(at)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--pictures", nargs="+", default=[], metavar="PICTURE")
    parser.add_argument("--split", type=split_of, metavar="AXIS:AT")
    arguments = parser.parse_args()
    print(f"{'model':28s} {'output':16s} {'in':>3s}  {'cinfer':15s}  {'onnxruntime':15s}  not optimised")
    for text in arguments.models:
        report(*pair(text), arguments.pictures, arguments.split)


if __name__ == "__main__":
    try:
        main()
    except cinfer.Error as error:
        sys.exit(complain(error))
