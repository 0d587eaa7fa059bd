"""The table of operators: what each one means, by domain, name, and the opset since which it means that.

    @op("HardSigmoid", since=6)
    class HardSigmoid:
        '''y = max(0, min(1, alpha * x + beta)). https://onnx.ai/onnx/operators/onnx__HardSigmoid.html'''
        def infer(x, *, alpha=0.2, beta=0.5):
            return x.like()
        def evaluate(x, *, alpha=0.2, beta=0.5):
            return np.clip(alpha * x + beta, 0, 1).astype(x.dtype)

The parameters are the operator's inputs in order (an absent optional input is None), the keyword-only
parameters its attributes, with the standard's defaults; a required attribute has no default. An attribute is
of the type of its default or, where `evaluate` says so, of another: `axes: list[int] = None`. A keyword
parameter `n_outputs`, where the signature has it, is the number of outputs the node asks for.

`infer` is given a Fact for each input and returns one for each output (a tuple when there are several).
Sizes are numbers when a plan is made; at load they may be Symbols (symbols.py), which any arithmetic takes:
where `infer` would refuse, it asks with `differ` and `below`, and what is left raises Undecided (foresee.py).
`evaluate` does the same with arrays: the meaning of the operator in NumPy, for any dtype, used to fold
constants and to run what no kernel runs.

No `infer`: the sizes of the outputs depend on data and are known only after `evaluate` (NonZero,
NonMaxSuppression). Both are plain functions in a class body, called without an instance. Both raise
ValueError with one line that says what is wrong and what would be right; the caller adds node and file.

What else an operator is, as passes and plan ask, are its traits: `@op("Relu", elementwise=True)`; see Traits.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError, UnsupportedError
from ..imports import imported
from ..model.graph import Graph, Node, all_graphs
from .facts import Fact, UnknownValue
from .families import DOMAINS, OF_OUR_OWN, WHEN_ASKED, files_of


REQUIRED = object()
HAS_VARARGS = 0x04          # inspect.CO_VARARGS
NCHWC = "com.microsoft.nchwc"       # the domain of what onnxruntime writes at ORT_ENABLE_ALL


@dataclass(frozen=True, slots=True)
class Traits:
    """What an operator is, for those who do not want to know which one it is.

    elementwise : an element of the output depends on the element of the first input in its place, and on
        nothing else; the shape is that of the first input
    broadcast : an element of the output depends on the elements of all inputs in its place, when they have
        been broadcast to one shape
    one_type : all inputs are of one element type
    random : no function of its inputs
    moves : `evaluate` moves elements and does not look at them, so that they may be Symbols
    symbolic : the same as `evaluate`, for integers that may be Symbols; raises Undecided
    rank : the outputs have as many axes as the input at this position, or at these, the last one for all that
        follow; or a function of the facts and attributes, as `infer`, that gives the number of axes, or as many
        for each output
    types : the element type of each output, a dtype or the position of an input of the same type, the last
        one for all that follow; or a function, as `infer`, that gives them and asks for no sizes
    steps : a number that is a little off is answered quite differently
    mixes_floats : the inputs may be of several float types
    not_negative : no element of the output is negative
    no_larger : the output takes about as many bytes as the inputs at most
    write : of a composite (composite.py), the function that writes its nodes
    write_for : of what is one only for nodes with any of these attributes, these
    optionals : an output may be an optional that holds nothing, which is None
    own : a function of the user's (custom.py), which is given what the file says
    """
    elementwise: bool = False
    broadcast: bool = False
    one_type: bool = False
    random: bool = False
    moves: bool = False
    symbolic: Callable | None = None
    rank: int | tuple[int, ...] | Callable | None = None
    types: tuple | Callable = (0,)
    steps: bool = False
    mixes_floats: bool = False
    not_negative: bool = False
    no_larger: bool = False
    write: Callable | None = None
    write_for: tuple[str, ...] = ()
    optionals: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """One registration.

    attributes : name -> default, REQUIRED where there is none
    min_inputs, max_inputs : how many it takes; None: any number, of which those behind `named` are all there
    """
    domain: str
    name: str
    since: int
    evaluate: Callable
    infer: Callable | None
    attributes: dict[str, object]
    min_inputs: int
    max_inputs: int | None
    named: int
    wants_n_outputs: bool
    traits: Traits


PLAIN = Traits()
_table: dict[tuple[str, str], list[Operator]] = {}         # the newest first
_whole: set[tuple[str, str]] = set()                        # of which the file was imported to its end


def op(name: str, *, since: int = 1, domain: str = "", **traits) -> Callable:
    """Class decorator that registers `evaluate` and `infer` under (domain, name, since)."""
    def register(cls):
        add(describe(domain, name, since, cls.evaluate, getattr(cls, "infer", None), **traits))
        return cls
    return register


def describe(domain: str, name: str, since: int, evaluate: Callable, infer: Callable | None = None, *,
             signature: Callable | None = None, skip: int = 0, **traits) -> Operator:
    """An Operator read off the signature of `evaluate`, a plain function, or of another one, behind `skip`
    parameters.

    From its code, for `inspect` takes longer to load than a model.
    """
    signature = signature or evaluate
    code = signature.__code__
    count, variadic = code.co_argcount, bool(code.co_flags & HAS_VARARGS)
    keywords = code.co_varnames[count:count + code.co_kwonlyargcount]
    defaults = signature.__kwdefaults__ or {}
    attributes = {k: defaults.get(k, REQUIRED) for k in keywords if k != "n_outputs"}
    most = count - skip
    least = most - len(signature.__defaults__ or ())
    return Operator(domain, name, since, evaluate, infer, attributes, least, None if variadic else most, most,
                    "n_outputs" in keywords, Traits(**traits) if traits else PLAIN)


KINDS = {"int": (int, False), "float": (float, False), "str": (str, False), "list[int]": (int, True),
         "list[float]": (float, True), "list[str]": (str, True), "int | float": ((int, float), False),
         "Graph": (Graph, False)}


# What operators raise on purpose (ValueError), and what NumPy says of indices and numbers that cannot be. Any
# other exception is a fault of cinfer's own.
REFUSALS = ValueError, IndexError, ArithmeticError
WORDS = {int: "INT", float: "FLOAT", str: "STRING", Graph: "GRAPH"}


def kind_of(operator: Operator, attribute: str) -> tuple | None:
    """(type of an attribute or of its elements, is it a list), as the signature says; None: it does not."""
    said = operator.evaluate.__annotations__.get(attribute)
    if said is not None:
        return KINDS.get(said)
    kind = type(operator.attributes.get(attribute))
    return (kind, False) if kind in (int, float, str) else None


def add(operator: Operator) -> None:
    """Enter an operator into the table; the same (domain, name, since) replaces the older entry."""
    versions = _table.setdefault((operator.domain, operator.name), [])
    versions[:] = sorted([o for o in versions if o.since != operator.since] + [operator],
                         key=lambda o: -o.since)


def operators() -> Iterator[Operator]:
    """All registrations; of families that are imported when asked for, those that were."""
    for versions in list(_table.values()):
        yield from versions


def load_all() -> None:
    """Import all families."""
    for file in {*WHEN_ASKED, *OF_OUR_OWN.values(), *(file for files in DOMAINS.values() for file in files)}:
        imported(f"{__package__}.{file}")


def _versions(domain: str, name: str) -> list[Operator]:
    """The registrations of an operator, the newest first."""
    key = domain, name
    if key not in _whole:
        for file in files_of(domain, name):
            imported(f"{__package__}.{file}")
        if key not in _table:
            return []
        _whole.add(key)
    return _table[key]


def find(node: Node) -> Operator | None:
    """The operator a node means: the newest whose `since` is not above the node's opset, or None."""
    opset = node.opset
    for operator in _versions(node.domain, node.op_type):
        if operator.since <= opset:
            return operator
    return None


def traits(node: Node) -> Traits:
    """What the node's operator is; of an unknown one nothing is known."""
    operator = find(node)
    return PLAIN if operator is None else operator.traits


def lookup(node: Node) -> Operator:
    """As `find`; UnsupportedError when there is none."""
    operator = find(node)
    if operator is None:
        raise UnsupportedError(f"cannot run {node}: no operator {node.op_type} in opset {node.opset} of "
                               f"domain {node.domain or 'ai.onnx'!r}")
    return operator


def unknown_nodes(graph: Graph) -> list[Node]:
    """Those whose operator is not in the table, in subgraphs too."""
    return [node for each in all_graphs(graph) for node in each.nodes if find(node) is None]


def refuse_unknown(graph: Graph, where: str) -> None:
    """UnsupportedError for all such nodes of a model. where : its name"""
    unknown = unknown_nodes(graph)
    if not unknown:
        return
    total = sum(len(each.nodes) for each in all_graphs(graph))
    shown = "; ".join(map(str, unknown[:8])) + (f"; and {len(unknown) - 8} more" if len(unknown) > 8 else "")
    if any(node.domain == NCHWC for node in unknown):
        shown += f". {NCHWC} is onnxruntime's own layout; save the file at ORT_ENABLE_EXTENDED or BASIC"
    elif any(node.domain for node in unknown):
        shown += ". cinfer.register_op(domain, name) makes a Python function an operator"
    raise UnsupportedError(f"{where}: cannot run {len(unknown)} of {total} nodes: {shown}")


def check(operator: Operator, node: Node) -> None:
    """ModelError for a node with more or fewer inputs than its operator takes, without output, without an
    attribute that it needs, or with one of another kind than its operator's."""
    if not any(node.outputs):
        raise ModelError(f"{node} has no output")
    count, least, most = len(node.inputs), operator.min_inputs, operator.max_inputs
    if count < least or (most is not None and count > most):
        takes = f"at least {least}" if most is None else least if least == most else f"{least} to {most}"
        raise ModelError(f"{node} has {count} input{'s' * (count != 1)}; "
                         f"{node.op_type} of opset {node.opset} takes {takes}")
    for i, name in enumerate(node.inputs):
        if not name and (i < least or i >= operator.named):
            raise ModelError(f"{node}: its input {i} is left out; {node.op_type} needs it")
    for name, default in operator.attributes.items():
        if default is REQUIRED and name not in node.attributes:
            raise ModelError(f"{node} lacks the attribute {name!r}; {node.op_type} of opset {node.opset} "
                             "needs it")
    for name, value in node.attributes.items():
        kind = kind_of(operator, name)
        if kind is None:
            continue
        kind, many = kind
        if isinstance(value, list) != many or not all(
                isinstance(v, kind) for v in (value if many else (value,))):
            word = WORDS.get(kind, "FLOAT")
            raise ModelError(f"{node}: its attribute {name!r} is not of type {word}{'S' if many else ''}")


def arguments(operator: Operator, node: Node) -> dict[str, object]:
    """The node's attributes as keyword arguments; UnsupportedError for one the operator does not know."""
    unknown = [k for k in node.attributes if k not in operator.attributes]
    if unknown:
        raise UnsupportedError(f"{node}: unknown attribute {unknown[0]!r}; {operator.name} of opset "
                               f"{node.opset} has {', '.join(operator.attributes) or 'none'}")
    keywords = dict(node.attributes)
    if operator.wants_n_outputs:
        keywords["n_outputs"] = len(node.outputs)
    return keywords


def infer(operator: Operator, node: Node, inputs: list[Fact | None]) -> tuple[Fact, ...]:
    """Facts of a node's outputs; UnknownValue when they depend on data."""
    if operator.infer is None:
        raise UnknownValue(f"the shape of {node}")
    return for_outputs(node, operator.infer(*inputs, **arguments(operator, node)))


def evaluate(operator: Operator, node: Node, inputs: list[np.ndarray | None],
             keywords: dict | None = None) -> tuple[np.ndarray, ...]:
    """As `outputs_of`, without warnings."""
    with np.errstate(all="ignore"):
        return outputs_of(operator, node, inputs, keywords)


def outputs_of(operator: Operator, node: Node, inputs: list[np.ndarray | None],
               keywords: dict | None = None) -> tuple[np.ndarray, ...]:
    """The node's outputs in NumPy, where warnings are off already. keywords : the node's `arguments`, where they are at
    hand"""
    if keywords is None:
        keywords = arguments(operator, node)
    return for_outputs(node, operator.evaluate(*inputs, **keywords))


def for_outputs(node: Node, result) -> tuple:
    """The result as a tuple; ValueError where the node asks for more than the operator makes."""
    results = result if isinstance(result, tuple) else (result,)
    for i, (name, each) in enumerate(zip(node.outputs, results)):
        if each is None and name and not traits(node).optionals:
            raise ValueError(f"output {i} ({name!r}) is asked for; {node.op_type} does not make it here")
    if len(node.outputs) > len(results) and any(node.outputs[len(results):]):
        raise ValueError(f"{len(node.outputs)} outputs; {node.op_type} makes {len(results)} here")
    return results
