#!/usr/bin/env python3
"""Writes docs/operators.md: each operator in the table, since which opsets, and which element types run, in
kernels or in NumPy.

    python tools/list_operators.py [--check]

Types are tried, not declared: the standard's own examples (of the package onnx) are run as they are, with inputs
as constants, and with the type of the first input changed. What runs, runs in kernels if no step of it is NumPy's.
--check : exit status 1 if the file says otherwise
"""
import argparse
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import cinfer
from cinfer.ops import registry
from cinfer.ops.families import OWN_DOMAIN

FILE = Path(__file__).parent.parent / "docs" / "operators.md"
TYPES = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16",
         TensorProto.DOUBLE: "float64", TensorProto.BOOL: "bool", TensorProto.UINT8: "uint8",
         TensorProto.INT8: "int8", TensorProto.UINT16: "uint16", TensorProto.INT16: "int16",
         TensorProto.UINT32: "uint32", TensorProto.INT32: "int32", TensorProto.UINT64: "uint64",
         TensorProto.INT64: "int64", TensorProto.STRING: "string"}
NUMBERS = TYPES.keys() - {TensorProto.STRING}
CHANGED = 4                     # so many examples of an operator are tried with other types too
HEAD = """# Operators

Made by `python tools/list_operators.py` from the table of operators and the standard's own examples.

Since: the opsets whose meanings cinfer knows; what lies between them means the same. Kernels, NumPy: the element
types of the first input that ran in one of the examples, all of it in cinfer's kernels (or by no step at all), and
with a step in NumPy. An operator without types has no example there; a type that is not named was refused, or is
not tried. Of a composition the standard's definition is put in its place, and its parts run where they run.
"""


def enter(case, kernels: set, others: set, change: bool) -> None:
    """Enter the types with which an example runs, in kernels and in NumPy. change : try others than its own"""
    arrays, own = case.data_sets[0][0], case.model.graph.input[0].type.tensor_type.elem_type
    for code in NUMBERS if change and own in NUMBERS else {own} & TYPES.keys():
        for constant in (False, True):
            labels = steps(case.model, arrays, own, code, constant)
            if labels is not None:
                (others if "numpy" in labels else kernels).add(TYPES[code])


def steps(model, arrays, own: int, code: int, constant: bool) -> list[str] | None:
    """The labels of the steps of a run, None if it was refused. code : the type that takes the place of `own`;
    constant : all inputs but the first"""
    copy = type(model)()
    copy.CopyFrom(model)
    feeds = {}
    kind = None if code == own else helper.tensor_dtype_to_np_dtype(code)
    for value, array in zip(model.graph.input, arrays):
        if not isinstance(array, np.ndarray):
            return None
        feeds[value.name] = array.astype(kind) if kind and value.type.tensor_type.elem_type == own else array
    for value in (*copy.graph.input, *copy.graph.output):
        if value.type.tensor_type.elem_type == own:
            value.type.tensor_type.elem_type = code
    if constant:
        for value in list(copy.graph.input)[1:]:
            copy.graph.initializer.append(numpy_helper.from_array(feeds.pop(value.name), value.name))
            copy.graph.input.remove(value)
    try:
        session = cinfer.load(copy.SerializeToString(), threads=1)
        session.run(None, feeds)
        profile = session.profile(feeds, runs=1)
    except (cinfer.Error, ValueError, TypeError):
        return None
    return [row.kernel for row in profile.rows]


def rows() -> list[tuple]:
    """(domain, operator, opsets, types in kernels, types in NumPy, is a composition) of all."""
    from onnx.backend.test.case.node import collect_testcases
    registry.load_all()
    found = defaultdict(lambda: (set(), set()))
    seen = Counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            graph = case.model.graph
            if len(graph.node) == 1 and graph.input and case.data_sets:
                key = graph.node[0].domain, graph.node[0].op_type
                enter(case, *found[key], seen[key] < CHANGED)
                seen[key] += 1
    table = defaultdict(list)
    for operator in registry.operators():
        if operator.domain != OWN_DOMAIN:
            table[operator.domain, operator.name].append(operator)
    return [(domain, name, sorted(o.since for o in versions), *found[domain, name],
             versions[0].traits.write is not None) for (domain, name), versions in sorted(table.items())]


def text() -> str:
    order = list(TYPES.values())
    parts = [HEAD]
    current = None
    for domain, name, since, kernels, others, is_composition in rows():
        if domain != current:
            current = domain
            parts.append(f"\n## {domain or 'ai.onnx'}\n\n| operator | since | kernels | NumPy |\n|---|---|---|---|\n")
        told = [" ".join(sorted(types, key=order.index)) for types in (kernels, others - kernels)]
        parts.append(f"| {name}{', a composition' if is_composition else ''} | {', '.join(map(str, since))} | "
                     f"{told[0]} | {told[1]} |\n")
    return "".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    made = text() if (arguments := parser.parse_args()) else ""
    if arguments.check:
        return int(FILE.read_text() != made)
    FILE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
