"""cinfer info [MODEL]: what a model is made of and how it will run; without one, what this machine offers."""
from __future__ import annotations

import os
from collections import Counter

from ..errors import Error, InputError
from ..table import dims, in_units, printable, shortened, table
from .parser import add_precision, add_shape, add_threads, model_path, shapes_of
from .text import bf16_of, counted, say, say_precision

EPILOG = """  cinfer info
  cinfer info model.onnx
  cinfer info model.onnx --shape 1x3x640x640"""


def declare(parser) -> None:
    parser.add_argument("model", metavar="MODEL", nargs="?", help="an ONNX file; without one: this machine")
    add_shape(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    add_threads(parser)
    add_precision(parser)


def run(arguments) -> int:
    data = of_model(arguments) if arguments.model else of_machine(arguments)
    if arguments.json:
        import json
        print(json.dumps(data, indent=1))
    else:
        print("\n".join(model_lines(data) if arguments.model else machine_lines(data)))
    if "cannot_run" in data:
        say(data["cannot_run"])
        return 2
    return 0


def of_machine(arguments) -> dict:
    if arguments.shape:
        raise InputError("--shape needs a model; cinfer info MODEL --shape NAME=SIZES is right")
    from ..session import system_info
    data = system_info()
    if arguments.threads is not None:
        data |= {"threads": arguments.threads, "threads_why": "--threads"}
    return data


def machine_lines(data: dict) -> list[str]:
    rows = [
        ["version", data["version"]],
        ["ISA levels built", " ".join(data["isa_built"])],
        ["usable on this CPU", " ".join(data["isa_usable"])],
        ["in use", data["isa"] + (" (CINFER_ISA)" if os.environ.get("CINFER_ISA") else "")],
        ["bf16", "for those who ask" if data["bf16"] else "no fast products of it: --precision bf16 is fp32"],
        ["threads", f"{data['threads']} ({data['threads_why']})"],
    ]
    return table(rows)


def of_model(arguments) -> dict:
    """Facts of the file as it was written, and of the session made of it."""
    path = model_path(arguments.model)

    from ..model import read
    from ..model.graph import all_graphs
    model = read(path)
    graph = model.graph
    graphs = list(all_graphs(graph))
    nodes = [node for each in graphs for node in each.nodes]
    arrays = [array for each in graphs for array in each.constants.values()]
    counts = Counter(f"{n.domain}.{n.op_type}" if n.domain else n.op_type for n in nodes)
    data = {
        "path": path,
        "bytes": os.path.getsize(path),
        "producer": model.producer,
        "ir_version": model.ir_version,
        "opset": {domain or "ai.onnx": version for domain, version in model.opset.items()},
        "inputs": ports(graph.inputs),
        "outputs": ports(graph.outputs),
        "nodes": len(nodes),
        "operators": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
        "parameters": sum(int(a.size) for a in arrays),
        "parameter_bytes": sum(int(a.nbytes) for a in arrays),
        "metadata": dict(model.metadata),
    }
    try:
        data |= of_session(path, arguments)
    except InputError:
        raise
    except Error as error:          # what the file holds is worth seeing even where it cannot run
        data["cannot_run"] = str(error)
    return data


def of_session(path: str, arguments) -> dict:
    from ..session import load
    session = load(path, threads=arguments.threads, precision=arguments.precision)
    say_precision(session, arguments.precision)
    shapes = shapes_of(arguments.shape, session)
    try:
        summary = session.summary(shapes or None) or {}
    except InputError as error:
        raise InputError(str(error).replace("shapes={...}", "--shape NAME=SIZES")) from None
    return {
        "isa": session.isa, "precision": session.precision, "threads": session.threads, **of_pictures(session),
        **session.integers(shapes or None),
        **{key: summary.get(key) for key in ("macs", "planned_bytes", "kernels", "in_numpy", "later")},
    }


def of_pictures(session) -> dict:
    """What `cinfer run` takes the model for, and how it would prepare a picture; None for a model that takes none."""
    from ..vision.reader import Reader
    try:
        reader = Reader(session)
    except InputError:
        return {"task": None, "recipe": None}
    is_read = not reader.family.__name__.endswith(".raw")
    return {"task": reader.words.task if is_read else "none that is known",
            "recipe": f"{reader.recipe} (from {reader.words.origin()})"}


def ports(types) -> list[dict]:
    return [{"name": name, "dtype": t.dtype and str(t.dtype), "shape": t.shape and list(t.shape)}
            for name, t in types.items()]


def model_lines(data: dict) -> list[str]:
    rows = [["model", f"{data['path']} ({in_units(data['bytes'], 'B')})"]]
    opset = ", ".join(f"{domain} {version}" for domain, version in data["opset"].items())
    producer = f", {data['producer']}" if data["producer"] else ""
    rows.append(["opset", f"{opset} (IR {data['ir_version']}{producer})"])
    for kind in ("inputs", "outputs"):
        cells = table([[p["name"], p["dtype"] or "no tensor", dims(p["shape"])] for p in data[kind]])
        rows += [[kind if i == 0 else "", cell] for i, cell in enumerate(cells)]
    rows.append(["nodes", f"{data['nodes']}: {in_order(data['operators'])}"])
    rows.append(["parameters", f"{in_units(data['parameters'])} ({in_units(data['parameter_bytes'], 'B')})"])
    if data.get("macs", 0) is None:
        rows.append(["MACs, memory", "depend on the sizes of the inputs; --shape says them"])
    elif "macs" in data:
        in_numpy = data["kernels"].get("numpy", 0)
        rows.append([
            "MACs", in_units(data["macs"]) + (f", without {in_numpy} steps in NumPy" if in_numpy else "")])
        planned = in_units(data["planned_bytes"], "B")
        rows.append(["memory", f"{planned} planned, beside weights, inputs and outputs"])
        if data["later"]:
            rows.append(["later", f"{data['later']} nodes, planned during the run for what it finds; MACs and memory "
                         "are without them"])
        rows.append(["kernels", f"{data['isa']}{bf16_of(data)}, {counted(data['threads'], 'thread')}: "
                     f"{in_order(data['kernels'])}"])
        for i, (operator, nodes) in enumerate(data["in_numpy"].items()):
            rows.append(["in NumPy" if i == 0 else "", f"{len(nodes)} {operator} ({shortened(', '.join(nodes))})"])
    if data.get("on_bytes"):
        rows.append(["integers", in_order(data["on_bytes"])])
    for i, text in enumerate(float_lines(data.get("in_float", ()), data.get("macs"))):
        rows.append(["in float" if i == 0 else "", text])
    if data.get("recipe"):
        rows.append(["task", data["task"]])
        rows.append(["pictures", data["recipe"]])
    for i, (key, text) in enumerate(data["metadata"].items()):
        rows.append(["metadata" if i == 0 else "", f"{key} = {shortened(text)}"])
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {printable(text)}".rstrip() for name, text in rows]


def float_lines(groups: list[dict], macs: int | None) -> list[str]:
    """A line for each reason, what is most work first: how many nodes of which operators, the share of the work, the
    reason, names."""
    found: dict[str, list[dict]] = {}
    for group in groups:
        found.setdefault(group["why"], []).append(group)
    work_of = {why: sum(group["macs"] or 0 for group in alike) for why, alike in found.items()}
    lines = []
    for why, alike in sorted(found.items(), key=lambda item: -work_of[item[0]]):
        share = work_of[why] / (macs or 1)
        work = f", {share:.0%} of the MACs" if share >= .005 else ""
        names = [name for group in alike for name in group["nodes"]]
        counts = in_order({group["operator"]: len(group["nodes"]) for group in alike})
        lines.append(f"{counts}{work}: {why} ({shortened(', '.join(names))})")
    return lines


def in_order(counts: dict[str, int]) -> str:
    """3 Conv, 1 Relu: the most frequent first"""
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items(), key=lambda item: -item[1]))
