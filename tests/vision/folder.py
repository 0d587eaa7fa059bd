"""A fake session of a model file with other files beside it."""

import json

from fake_session import port, session

from cinfer.vision.recognise import recognise
from cinfer.vision.recognise.model import Model


def model_in(folder, files=None, outputs=None, shape=(1, 3, 224, 224), below="", metadata=None):
    """files : name -> dict (JSON) or text; outputs : name -> shape; below : folder of the model in that of the files"""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (files or {}).items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    (folder / below).mkdir(exist_ok=True)
    made = session(metadata, shape=shape, name="pixel_values", path=str(folder / below / "model.onnx"))
    made.outputs = [port(name, "float32", s) for name, s in (outputs or {"logits": (1, 1000)}).items()]
    return made


def words_of(made):
    return recognise(Model(made))
