"""Pictures in, answers out.

    import cinfer
    session = cinfer.load("yolov8n.onnx")
    answer = cinfer.vision.read(session, "street.jpg")      # a path, bytes, a PIL picture, or a camera's array
    for each in answer.found:
        print(each.label, each.score, each.box)             # in pixels of the picture as a person sees it
    answer.draw("street.jpg").save("out.jpg")

    with cinfer.vision.Video("camera:0", seconds=60) as video:          # or a file, or rtsp://...
        for answer in cinfer.vision.read_many(session, video):
            print(answer.line())

The route of a picture: pictures/ decodes it; recognise/ says what the model is, in the words of docs/metadata.md;
prepare/ makes the input; families/ decode the outputs; answers/ say and draw what was found. reader.py joins them.
"""
from __future__ import annotations

from ..imports import on_demand

_HOME = {"read": "reader", "read_many": "many", "Reader": "reader", "Reading": "reader", "Options": "families.view",
         "Class": "answers.classes", "Classes": "answers.classes", "Mask": "answers.objects",
         "Object": "answers.objects", "Objects": "answers.objects", "Map": "answers.map", "Line": "answers.text",
         "Text": "answers.text", "Embedding": "answers.embedding", "Picture": "answers.picture",
         "Summary": "answers.summary", "Video": "pictures.video", "to_parquet": "answers.parquet"}
__all__ = sorted(_HOME)
__getattr__ = on_demand(__name__, _HOME)


def __dir__():
    return sorted(__all__)
