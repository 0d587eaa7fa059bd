"""A cinfer session with what SessionOptions change of the model: sizes, constants."""
from __future__ import annotations

from dataclasses import replace

from ..errors import Error, UnsupportedError
from ..model.described import denotations
from ..model.graph import Model, TensorType
from ..model.source import Source
from ..ops import registry
from ..ops.facts import Fact
from ..passes.known import Known
from ..session import Session
from .described import NodeArg, element, sizes, spelled
from .errors import InvalidArgument, InvalidGraph, made
from .options import SessionOptions, log

# Others than these, and "", of which cinfer has all but gradients, are somebody's own
KNOWN_DOMAINS = ("ai.onnx.ml", "ai.onnx.preview.training", "ai.onnx.training", "com.microsoft",
                 "com.microsoft.nchwc")


class Engine(Session):
    """is_read : the file has been read as ONNX"""

    def __init__(self, source, options: SessionOptions, threads: int | None, fed: tuple[str, ...] = ()):
        self.is_read, self._options, self._fed = False, options, fed
        super().__init__(source, threads=threads)

    def _read(self) -> Model:
        model = super()._read()
        self.is_read = True
        options = self._options
        if options._initializers:
            replace_constants(model, options._initializers)
        if options._free_sizes or options._denoted:
            fix_sizes(model, options._free_sizes, options._denoted, self._source.data)
        return model

    def _refuse_unknown_operators(self) -> None:
        try:
            super()._refuse_unknown_operators()
        except UnsupportedError as error:
            if all(node.domain in KNOWN_DOMAINS for node in registry.unknown_nodes(self._graph)):
                raise
            raise made(InvalidGraph, f"This is an invalid model. {error}: nobody has registered such an "
                       "operator, and cinfer takes no libraries of them") from None

    def _again(self, source: Source, names: tuple[str, ...]) -> Session:
        return Engine(source, self._options, self.threads, names)

    def inputs_told(self) -> list[NodeArg]:
        return [told(name, declared) for name, declared in self._input_types.items()]

    def outputs_told(self) -> list[NodeArg]:
        """The outputs as the file declares them; what it leaves open is said where the operators tell."""
        known, graph = None, self._graph
        found = []
        for name, declared in graph.outputs.items():
            if type(declared) is TensorType and (declared.dtype is None or declared.shape is None
                                                 or None in declared.shape):
                if known is None:
                    known, makers = Known(graph), graph.producers()
                declared = completed(name, declared, known, makers)
            found.append(told(name, declared))
        return found

    def defaults_told(self) -> list[NodeArg]:
        return [told(name, declared) for name, declared in self.model.defaults.items()]


def told(name: str, declared) -> NodeArg:
    return NodeArg._of(name, spelled(declared), sizes(declared))


def completed(name: str, declared: TensorType, known: Known, makers: dict) -> TensorType:
    """A declared type, and what is known besides."""
    try:
        dtype = declared.dtype or known.dtype(name, makers)
        fact = known.fact(name, makers)
    except (Error, RecursionError):
        return declared
    if type(fact) is not Fact:
        return TensorType(dtype, declared.shape)
    names = {size: known.graph.inputs[source].shape[axis] for (source, axis), size in known.free.items()}
    found = [d if isinstance(d, int) else names.get(d) for d in fact.shape]
    if declared.shape is not None:
        if len(declared.shape) != len(found):
            return TensorType(dtype, declared.shape)
        found = [d if d is not None else f for d, f in zip(declared.shape, found)]
    return TensorType(dtype, tuple(found))


def replace_constants(model: Model, values: dict) -> None:
    for name, value in values.items():
        have, array = model.graph.constants.get(name), value._typed()
        if have is None:
            log.debug("initializer %r: the model has no constant of this name", name)
            continue
        if (have.dtype, have.shape) != (array.dtype, array.shape):
            raise made(InvalidArgument, f"initializer {name!r}: got {element(array.dtype)} "
                       f"{list(array.shape)}, the model's is {element(have.dtype)} {list(have.shape)}")
        model.graph.constants[name] = array


def fix_sizes(model: Model, named: dict[str, int], denoted: dict[str, int], data) -> None:
    """Free sizes become numbers, wherever they stand under these names."""
    meanings = denotations(data) if denoted else {}
    for types in (model.graph.inputs, model.graph.outputs, model.graph.types, model.defaults):
        for name, declared in types.items():
            if type(declared) is not TensorType or declared.shape is None:
                continue
            means = meanings.get(name, []) if types is model.graph.inputs else []
            shape = [d if isinstance(d, int) else named.get(d, d) for d in declared.shape]
            for axis, meaning in enumerate(means[:len(shape)]):
                if not isinstance(shape[axis], int):
                    shape[axis] = denoted.get(meaning, shape[axis])
            types[name] = replace(declared, shape=tuple(shape))
