"""What is a model? Every source of evidence says it in the words of docs/metadata.md; the first to say a word wins.

    flags, the model's own keys (own_keys.py), its exporter's (ultralytics.py, model_api.py), files beside it
    (transformers.py, timm.py, labels.py), names and then shapes of its outputs (families/), habits (habits.py)
"""
from __future__ import annotations

from ...errors import InputError
from ...imports import imported
from ...table import dims
from .model import Found, Model
from .words import Words, quoted

USUAL = (640, 480)                  # a picture's width and height
# files here, with a function of that name
KEYS = ("own_keys", "ultralytics", "model_api", "transformers", "timm", "labels")
AS_THEY_ARE = {"input.mean": "0", "input.std": "1"}      # pixels


def recognise(model: Model, flags: dict[str, tuple[str, str]] | None = None, labels: list[str] | None = None) -> Words:
    """All that is known of a model.

    flags : word -> (text, the flag as typed): what a user says instead; labels : class names likewise

    Raises
    ------
    InputError : no input takes a picture; a word is none of docs/metadata.md
    """
    from .. import families
    words = Words()
    words.add_flags(flags or {})
    if "task" in words:
        families.check_task(words.task, words.where("task"))
    words.labels, words.labels_given = labels, labels is not None
    is_fed = False                  # has somebody said how pictures are prepared?
    for name in KEYS:
        found = getattr(imported(f"{__name__}.{name}"), name)(model)
        if found is not None:
            told = agreeing(found if name == "own_keys" else fitting(found, model), words, is_fed, flags or {})
            is_fed = is_fed or "input.resize" in told.words
            words.add(told.words, told.because, labels=told.labels)
            if told.note and not (name == "labels" and words.labels):
                words.evidence.append(told.note)
        if "cinfer.recipe" in model.metadata:
            break                                       # its own keys are meant to be all
    if "family" not in words and words.task in families.OF_TASK and "cinfer.recipe" in model.metadata:
        words.add({"family": families.OF_TASK[words.task]}, "")
    if "family" not in words:
        found = seen(model, words)
        if found is not None:
            found = agreeing(fitting(found, model), words, is_fed, flags or {})
            words.add(found.words, found.because, labels=found.labels)
        elif words.labels_given and not words.task:
            words.add({"family": "classify", "task": "classification"}, "the labels given")
    if "cinfer.recipe" not in model.metadata and (found := habits_of(model, words, is_fed)) is not None:
        words.add(fitting(found, model).words, "" if "input.size" in words else found.because)
    elif "input.name" not in words and model.picture_input() is None:
        shown = ", ".join(f"{p.name!r} {dims(p.shape)}" for p in model.inputs) or "it has none"
        raise InputError("the model takes no picture: none of its inputs is of rank 4 or 5 with 1, 3 or 4 channels, or "
                         f"of rank 3 with 3 channels ({shown}); use it from Python: cinfer.load")
    return words


def fitting(found: Found, model: Model) -> Found:
    """An input of integers takes pixels as they are: no mean and std fit it but 0 and 1, whatever they are for the same
    network of floating point."""
    port = model.picture_input()
    if port is None or port.dtype is None or port.dtype.kind not in "iu":
        return found
    said = found.words
    return found._replace(words=said | {key: text for key, text in AS_THEY_ARE.items() if key in said})


def agreeing(found: Found, words: Words, is_fed: bool, flags: dict) -> Found:
    """What a later source may add: of another task nothing but how pictures are prepared, and of that nothing where an
    earlier one has said it, for halves of two preparations are none."""
    said, labels, because, note = found.words, found.labels, found.because, found.note
    if words.task and said.get("task", words.task) != words.task:
        note = f"{because} says {said['task']}: not used for {words.task}"
        said, labels = {key: text for key, text in said.items() if key.startswith("input.")}, None
    if is_fed:
        said = {key: text for key, text in said.items() if not key.startswith("input.")}
    elif "input.size" in flags or "input.resize" in flags:
        said = {key: text for key, text in said.items() if key != "input.scale"}
    return Found(said, because, labels, note)


def habits_of(model: Model, words: Words, is_fed: bool) -> Found | None:
    from .habits import habits
    return habits(model, words.text("family"), is_fed, "input.resize" in words or "input.size" in words)


def answers(modules: dict, level: str, models: tuple[Model, ...], words: Words) -> list[tuple[str, Found]]:
    """The families that know all of these models, and as the same. modules : of families, by name"""
    found = []
    for name, module in modules.items():
        if hasattr(module, level):
            told = [getattr(module, level)(model, words) for model in models]
            if None not in told and all(each.words == told[0].words for each in told):
                found.append((name, told[0]))
    return found


def sized(model: Model, known, told: Found, words: Words) -> dict[str, str]:
    """The size to be fed, where a network takes less than its file leaves open, and not what the family says.

    known : the function of the family that has told"""
    port = model.picture_input()
    if port is None or port.shape is None or model.size(port):
        return {}
    size, said, side = model.only, told.words.get("input.size"), model.side(port)
    if size is None and side and said and "xW" not in said:
        size = side, side
    if size is None:
        return {}
    if said and not side:
        from ..prepare.recipe import parse_size, ruled_size
        usual = model.of(ruled_size(parse_size(said, ""), *USUAL)[::-1])
        if usual.is_taken and known(usual, words) is not None:
            return {}
    return {"input.size": f"{size[0]}x{size[1]}"}


def seen(model: Model, words: Words) -> Found | None:
    """By the names of the outputs, then by their shapes; families of other tasks than the one that is said are not
    asked.
    Where two answer to the same, the first is taken, and the other one named."""
    from .. import families
    modules = {name: families.family(name) for name in families.FAMILIES}
    modules = {name: module for name, module in modules.items() if not words.task or words.task in module.TASKS}
    for level, alike in (("by_names", [(model,)]), ("by_shapes", model.alike())) if modules else ():
        for models in alike:
            found = answers(modules, level, models, words)
            if not found:
                continue
            name, first = found[0]
            others = quoted(other for other, _ in found[1:])
            also = f"; it might be {others} too, --recipe family=... decides" if others else ""
            told = {key: text for key, text in first.words.items() if key != "task" or not words.task}
            told |= sized(models[0], getattr(modules[name], level), first, words)
            return Found({"family": name, **told}, first.because + also, first.labels)
    if words.task in families.OF_TASK:
        return Found({"family": families.OF_TASK[words.task]}, "")
    return None
