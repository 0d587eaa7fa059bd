"""The keys of OpenVINO's Model API, `model_info KEY`, as Geti, OTX and Anomalib write them; lists are split by spaces.

Source: openvino-model-api 0.4.7 (Apache-2.0): parameters.py for the defaults, adapters/utils.py for the resizing, which
is OpenCV's. Its pictures are OpenCV's, blue first, hence BGR unless reverse_input_channels.
"""
from __future__ import annotations

from .beside import class_counts, is_gray, joined
from .model import Found, Model
from .words import number

# model_type, in small letters -> (task, family, where the shapes of the outputs do not have to say it)
TYPES = {"classification": ("classification", "classify"), "ssd": ("detection", None), "detection": ("detection", None),
         "segmentation": ("semantic", None), "maskrcnn": ("segmentation", None), "detrinstseg": ("segmentation", None),
         "anomalydetection": ("anomaly", None), "keypoint_detection": ("keypoints", None), "yolo": ("detection", None),
         "yolov3-onnx": ("detection", None), "yolov4": ("detection", None), "yolof": ("detection", None),
         "yolox": ("detection", None), "yolov5": ("detection", None), "yolov8": ("detection", None),
         "yolo11": ("detection", None), "yolo-seg": ("segmentation", None)}
RESIZE = {"standard": "stretch", "fit_to_window": "window:0", "fit_to_window_letterbox": "letterbox", "crop": "middle"}
FILTERS = {"LINEAR": "linear", "CUBIC": "cubic", "NEAREST": "floor"}
EXPLAINED = ("saliency_map", "feature_vector")          # outputs besides the answer
ANOMALY = ("image_threshold", "pixel_threshold", "normalization_scale")


def model_api(model: Model) -> Found | None:
    said = {key[11:]: text for key, text in model.metadata.items() if key.startswith("model_info ")}
    port = model.picture_input()
    if "model_type" not in said or port is None:
        return None
    kind = said["model_type"].strip().lower()
    task, family = TYPES.get(kind, ("", None))
    words = feeding(model, said, port)
    notes = []
    if task:
        words["task"] = task
    else:
        notes.append(f"model_info model_type {kind!r} is none that cinfer knows")
    if family:
        words["family"] = family
    if said.get("intensity_mode", "none") not in ("none", "scale_to_unit"):
        notes.append(f"model_info intensity_mode {said['intensity_mode']!r} is not done")
    if said.get("resize_type", "standard") not in RESIZE:
        notes.append(f"model_info resize_type {said['resize_type']!r} is none that cinfer knows: stretched")
    labels = [label.strip() for label in said.get("labels", "").split()] or None
    labels = None if labels == ["None"] else labels
    threshold = _number(said, "confidence_threshold", .5)
    if task == "classification":
        name = next((p.name for p in model.outputs if p.name not in EXPLAINED), model.outputs[0].name)
        words["output.name"] = name
        if labels and len(labels) + 1 in class_counts(model) and len(labels) not in class_counts(model):
            labels = ["other", *labels]
        if _true(said, "hierarchical"):
            words |= {"family": "raw"}
            notes.append("a hierarchy of labels is not read: the raw outputs")
        elif _true(said, "multilabel"):
            words |= {"output.kind": "multilabel", "output.threshold": f"{threshold:g}"}
        else:                                           # softmax unless they already add up to 1
            pass
    elif task in ("detection", "segmentation", "keypoints"):
        words["output.threshold"] = f"{threshold:g}"
        if kind.startswith("yolo") or _true(said, "nms_execute"):
            words["output.iou"] = f"{_number(said, 'iou_threshold', .5):g}"
    elif task == "semantic":
        words |= classes_of(model, said)
    elif task == "anomaly":
        words |= {f"output.{key}": f"{_number(said, key, usual):.10g}" for key, usual in zip(ANOMALY, (.5, .5, 1))}
    return Found(words, "the model's model_info (OpenVINO Model API)", labels, "; ".join(notes))


def feeding(model: Model, said: dict[str, str], port) -> dict[str, str]:
    layout = model.layout(port)
    size = model.size(port, layout)
    inside = _true(said, "embedded_processing")         # the graph itself does it
    mode = "standard" if inside else said.get("resize_type", "standard")
    words = {"input.name": port.name, "input.layout": layout,
             "input.filter": FILTERS.get(said.get("interpolation_mode"), "linear"),
             "input.channels": "RGB" if _true(said, "reverse_input_channels") and not inside else "BGR"}
    # without a fixed size Model API feeds the picture as it is
    words["input.size"] = f"{size[0]}x{size[1]}" if size else "any"
    words["input.resize"] = RESIZE.get(mode, "stretch") if size else "stretch"
    if mode == "fit_to_window_letterbox" and size:
        words["input.resize"] += f":{min(255, max(0, int(_number(said, 'pad_value', 0))))}"
    unit = _number(said, "intensity_max_value", 255) or 255 if said.get("intensity_mode") == "scale_to_unit" else 1
    mean, std = ([] if inside else _numbers(said, key) for key in ("mean_values", "scale_values"))
    if not size and said["model_type"].strip().lower() == "anomalydetection" and not inside:
        unit, mean, std = 255, [], []
    words["input.mean"] = joined(unit * m for m in mean or [0])
    words["input.std"] = joined(unit * s for s in std or [1])
    if is_gray(port, layout):
        words |= {"input.channels": "GRAY", "input.mean": joined(unit * m for m in (mean or [0])[:1]),
                  "input.std": joined(unit * s for s in (std or [1])[:1])}
    return words


def classes_of(model: Model, said: dict[str, str]) -> dict[str, str]:
    """Of a class for each pixel: which output, are its numbers classes already, is it smoothed before the largest
    wins?"""
    port = next((p for p in model.outputs if p.name not in EXPLAINED), model.outputs[0])
    words = {"output.name": port.name}
    if port.shape is not None and (len(port.shape) == 3 or len(port.shape) == 4 and port.shape[1] == 1):
        words["output.kind"] = "classes"
    elif (blur := int(_number(said, "blur_strength", -1))) > 0:
        words["output.blur"] = str(min(blur, 1000))
        if (least := number(said.get("soft_threshold", ""))) is not None:
            words["output.threshold"] = f"{least:g}"
    return words


def _true(said: dict[str, str], key: str) -> bool:
    return said.get(key) in ("True", "YES", "true", "1")


def _number(said: dict[str, str], key: str, usual: float) -> float:
    value = number(said.get(key, ""))
    return usual if value is None else value


def _numbers(said: dict[str, str], key: str) -> list[float]:
    values = [number(part) for part in said.get(key, "").split()]
    return [] if None in values or len(values) not in (1, 3) or key == "scale_values" and 0 in values else values
