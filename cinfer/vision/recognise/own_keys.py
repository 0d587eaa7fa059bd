"""The keys of docs/metadata.md, under which a model file says how to use itself."""
from __future__ import annotations

from ...errors import InputError
from ...metadata import alphabet, labels_of
from .model import Found, Model


def own_keys(model: Model) -> Found | None:
    """InputError where the recipe is of a version that this cinfer does not know."""
    version = model.metadata.get("cinfer.recipe")
    if version is None:
        labels = labels_of(model.metadata) if "cinfer.labels" in model.metadata else None
        return Found({}, "the model's labels", labels) if labels else None
    if version != "1":
        raise InputError(f"the model's cinfer.recipe is {version!r}, this cinfer knows version 1; is there a newer "
                         "cinfer?")
    words = {key[7:]: text for key, text in model.metadata.items() if key.startswith("cinfer.")}
    if words.get("task") == "classification":
        words.setdefault("output.kind", "probabilities")
    labels = labels_of(model.metadata)
    if "character" in model.metadata:
        labels = labels or alphabet(model.metadata["character"])
    if words.get("task") == "segmentation" and labels == ["text"]:
        words.setdefault("family", "text")              # not which pixels, but where the lines are
    return Found(words, "the model's metadata", labels)
