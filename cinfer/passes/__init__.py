"""Rewriting a graph once, when it is loaded: sizes may be free, constants are known.

Each pass is a function `name(graph, at) -> bool` (did it change something) in a file of its own; what comes
out are operators of ops/: standard ones, but for the last few passes. `CINFER_PASSES=-fold_scale,-fuse_pad`
switches passes off; with `CINFER_CHECK=1` the graph is checked after each pass, and the error names the pass
that broke it.
"""
from __future__ import annotations

import os
from collections.abc import Iterable

from ..errors import Error, InputError, ModelError
from ..graphs.scopes import separate
from ..model.graph import Graph, subgraphs
from ..ops.registry import REFUSALS
from .captures import bring_captures, return_captures
from .check import check_nodes, fault
from .expand_composites import expand_composites
from .expand_quantized import expand_quantized
from .fold_affine import fold_batch_norm, fold_scale
from .fold_constants import fold_constants
from .fold_input_scale import fold_input_scale
from .fold_product_scale import fold_product_scale
from .fuse_attention import fuse_attention
from .fuse_pad import fuse_pad
from .inline_branches import inline_branches
from .join_grids import join_grids
from .join_products import join_products
from .join_quantized import join_quantized
from .join_sums import join_sums
from .keep_narrow import keep_narrow
from .merge_equal import merge_equal, merge_quantizers
from .merge_quantization import merge_quantization
from .move_bytes import move_bytes
from .pattern import Rewriter
from .quantize_branches import quantize_branches
from .recognise_activations import recognise_activations
from .recognise_channel_shuffle import recognise_channel_shuffle
from .recognise_group_norm import recognise_group_norm
from .recognise_layer_norm import recognise_layer_norm
from .remove_dead import remove_dead
from .remove_identity import remove_identity
from .sink_transposes import sink_transposes
from .store_unsigned import store_unsigned
from .tabulate import tabulate
from .widen_halves import widen_halves

# These come before the passes of subgraphs: what is put in is no subgraph any more, what is captured is spelt as it is
# looked for, and brought in, and QuantizeLinear goes where the products are.
FIRST = (
    inline_branches,
    expand_composites,
    quantize_branches,
    bring_captures,
)
# The order matters: float16 and 8 bits go first, for all else is made for float32, but for products whose large weights
# stay narrow; then constants, for most guards ask for constants; what is spelled out is read before scales are folded,
# for Conv -> Add 3 -> Clip would lose its Add; Transposes move before bytes are joined, and again before Pad and scales
# are looked for beside Conv; bytes are joined before constants are folded, which makes floats of them. Behind all these
# come passes whose operators are not standard ones, which the others would not know.
PIPELINE = (
    *FIRST,
    widen_halves,
    merge_quantizers,
    store_unsigned,
    join_products,
    join_sums,
    expand_quantized,
    sink_transposes,
    store_unsigned,
    move_bytes,
    tabulate,
    join_quantized,
    keep_narrow,
    join_grids,
    return_captures,
    remove_identity,
    fold_constants,
    return_captures,
    recognise_layer_norm,
    recognise_group_norm,
    recognise_activations,
    sink_transposes,
    fuse_pad,
    fold_batch_norm,
    fold_scale,
    fold_input_scale,
    recognise_channel_shuffle,
    merge_quantization,
    fold_product_scale,
    fuse_attention,
    merge_equal,
    remove_dead,
)


def run(graph: Graph) -> bool:
    """Rewrite a graph and the subgraphs in it, in place; True when something changed.

    Raises ModelError when a node lacks inputs or has attributes of another kind than its operator's;
    InputError when CINFER_PASSES names no pass.
    """
    passes = _chosen(os.environ.get("CINFER_PASSES", ""))
    changed = _run(Rewriter(graph), passes, os.environ.get("CINFER_CHECK") == "1", ())
    separate(graph)
    return changed


def _run(at: Rewriter, passes: list, check: bool, outer: Iterable[str]) -> bool:
    graph = at.graph
    check_nodes(graph)
    graph.is_checked = True
    has_any = any(map(subgraphs, graph.nodes))
    changed = _run_each(at, [each for each in passes if each in FIRST], check, outer)
    if has_any:                                 # before the others: what subgraphs no longer capture can go out here
        check_nodes(graph)                      # branches that have been put in
        around = {*outer, *graph.values()} if check else ()
        for node, subgraph in [(node, subgraph) for node in graph.nodes for subgraph in subgraphs(node)]:
            changed |= _run(Rewriter(subgraph, inner=True, around=(at, node)), passes, check, around)
        at.index()
    changed |= _run_each(at, [each for each in passes if each not in FIRST], check, outer)
    # what is known of a subgraph holds for the sizes of this graph's inputs, for which its own plans do not ask
    graph.known = at.known().settled() if at.has_asked and not at.inner else {}
    return changed


def _run_each(at: Rewriter, passes: list, check: bool, outer: Iterable[str]) -> bool:
    graph, changed = at.graph, False
    for each in passes:
        try:
            changed |= each(graph, at)
        except REFUSALS as error:
            name = each.__name__
            raise ModelError(f"graph {graph.name!r}: {name} cannot read a node's attributes: {error}; "
                             f"CINFER_PASSES=-{name} leaves it out") from error
        if check:
            found = fault(graph, outer)
            if found:
                raise Error(f"pass {each.__name__} broke the graph {graph.name!r}: {found}; "
                            f"CINFER_PASSES=-{each.__name__} switches it off")
    return changed


def _chosen(setting: str) -> list:
    """The passes that CINFER_PASSES leaves on."""
    off = {name.strip() for name in setting.split(",") if name.strip()}
    known = {f"-{each.__name__}" for each in PIPELINE}
    for name in sorted(off - known):
        raise InputError(f"CINFER_PASSES={setting}: {name!r} switches off no pass; "
                         f"there are {', '.join(sorted(known))}")
    return [each for each in PIPELINE if f"-{each.__name__}" not in off]
