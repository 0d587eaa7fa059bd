"""What cinfer.vision needs of a Session: names, types and metadata."""

from types import SimpleNamespace

import numpy as np

from cinfer.vision.families.view import Options, View
from cinfer.vision.prepare.geometry import Geometry
from cinfer.vision.prepare.recipe import recipe_for
from cinfer.vision.recognise import recognise
from cinfer.vision.recognise.model import Model
from cinfer.vision.recognise.words import Words


def port(name, dtype, shape):
    return SimpleNamespace(name=name, dtype=None if dtype is None else np.dtype(dtype), shape=shape)


def session(
    metadata=None, shape=(1, 3, 224, 224), dtype=np.float32, outputs=((1, 1000),), name="input", weights=True, path=None
):
    constants = {"w": np.zeros((2, 2))} if weights else {"scale": np.zeros(3)}
    return SimpleNamespace(
        model=SimpleNamespace(graph=SimpleNamespace(constants=constants), path=path),
        inputs=[port(name, dtype, shape)],
        outputs=[port(f"out{i}", np.float32, s) for i, s in enumerate(outputs)],
        metadata=metadata or {},
    )


def known(model, **flags) -> Words:
    """What is recognised of a fake session."""
    return recognise(Model(model), {key: (text, f"--{key}") for key, text in flags.items()})


def recipe_of(model, flags=None):
    """Its recipe. flags : of the command line"""
    words = recognise(Model(model), {f"input.{key}": (text, f"--{key}") for key, text in (flags or {}).items()})
    return recipe_for(words, model.inputs)


def view(outputs, labels=None, where=None, recipe=None, options=None, **words) -> View:
    """Outputs of a picture of 100x80 that is fed as it is. words : a_b stands for a.b"""
    said = Words()
    said.add({key.replace("_", "."): text for key, text in words.items()}, "a test", labels=labels)
    return View(outputs, said, recipe, where or Geometry(100, 80, 100, 80, 1, 1), options or Options())
