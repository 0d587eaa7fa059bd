"""The network that is quantised: the model's own, in float32, by standard operators alone, with the names of its
values; batch normalization and whatever else folds into weights is folded."""
from __future__ import annotations

from dataclasses import replace

from ..errors import UnsupportedError
from ..model.graph import Graph, Model, all_graphs
from ..passes.check import check_nodes
from ..passes.fold_affine import fold_batch_norm, fold_scale
from ..passes.fold_constants import fold_constants
from ..passes.fold_input_scale import fold_input_scale
from ..passes.fuse_pad import fuse_pad
from ..passes.inline_branches import inline_branches
from ..passes.merge_equal import merge_equal
from ..passes.pattern import Rewriter
from ..passes.recognise_activations import recognise_activations
from ..passes.remove_dead import remove_dead
from ..passes.remove_identity import remove_identity
from ..passes.sink_transposes import sink_transposes
from ..passes.widen_halves import widen_halves
from .opsets import LEAST, raise_opset

# Activations that newer opsets have as one operator: the file's own may not. A ramp from 0 to 1 is better as it is
# spelled: a Clip goes with the layer, what is added and multiplied into the weights
GATED = {"HardSwish": 14, "Mish": 18, "Gelu": 20, "Swish": 24}
RAMP = "HardSigmoid"
QUANTISED = frozenset((
    "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"))
IR_VERSION = 8                      # the one that came with opset 13 to 18; onnxruntime takes it from 1.10 on


def whole_activations(graph: Graph, at: Rewriter) -> None:
    """What is spelled out becomes one operator, as far as the file's opset has it. Of the others, the factor that comes
    last, as of x * clip(x + 3, 0, 6) / 6, is not to be folded into what lies behind: they would be no such activations
    any more."""
    opset = max((node.opset for node in graph.nodes if not node.domain), default=LEAST)
    at.spelled = frozenset((RAMP, *(name for name, since in GATED.items() if since > max(opset, LEAST))))
    recognise_activations(graph, at)
    alone = graph.copied()
    recognise_activations(alone)
    at.pinned.update(node.outputs[0] for node in alone.nodes if node.op_type in GATED)


PASSES = (inline_branches, widen_halves, remove_identity, fold_constants, sink_transposes, fuse_pad, whole_activations,
          fold_batch_norm, fold_scale, fold_input_scale, merge_equal, remove_dead)


def standard(model: Model, where: str) -> Model:
    """The model to start from; the one that is given is used up. where : its name, for messages

    Raises UnsupportedError for one whose activations are quantised already, or that is of too old an opset.
    """
    graph = model.graph
    stored = [node for each in all_graphs(graph) for node in each.nodes if node.op_type in QUANTISED]
    if stored:
        raise UnsupportedError(f"{where} is quantised already: it has {len(stored)} nodes such as {stored[0]}; "
                               "give the model in floats")
    check_nodes(graph)
    at = Rewriter(graph)
    for each in PASSES:
        each(graph, at)
    opset = max(LEAST, *(node.opset for each in all_graphs(graph) for node in each.nodes if not node.domain),
                model.opset.get("", 1))
    raise_opset(graph, opset)
    known = {name for node in graph.nodes for name in node.outputs}
    graph.types = {name: declared for name, declared in graph.types.items() if name in known}
    drop_constants(graph)
    name_nodes(graph)
    return replace(model, opset={**model.opset, "": opset}, ir_version=max(model.ir_version, IR_VERSION), defaults={})


def drop_constants(graph: Graph) -> None:
    """Forget those that nothing reads."""
    read = {name for names in (graph.outputs, graph.consumers()) for name in names}
    graph.constants = {name: array for name, array in graph.constants.items() if name in read}


def name_nodes(graph: Graph) -> None:
    """Give each node a name of its own: passes leave some without, and some with that of the node they came of."""
    taken: set[str] = set()
    for node in graph.nodes:
        stem = name = node.name or f"{node.op_type}_{next(filter(None, node.outputs))}"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        taken.add(name)
        node.name = name
