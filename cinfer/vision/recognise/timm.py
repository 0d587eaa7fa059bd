"""config.json as timm leaves it beside a model: `pretrained_cfg`, how a picture is prepared, and `label_names`.

Source: timm 1.0.31 (Apache-2.0), data/config.py and data/transforms_factory.py: a key that is missing means ImageNet's
mean and std, bicubic, crop_pct .875, crop_mode center.
"""
from __future__ import annotations

from .beside import IMAGENET_MEAN, IMAGENET_STD, class_counts, is_gray, is_number, is_side, joined, numbers
from .model import Found, Model

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
MODES = {"center": "centre", "squash": "squash", "border": "border"}


def timm(model: Model) -> Found | None:
    config = model.json("config.json") or {}
    said = config.get("pretrained_cfg")
    port = model.picture_input()
    if not isinstance(said, dict) or port is None:
        return None
    labels = _labels(config) or _labels(said)
    count = config.get("num_classes", said.get("num_classes"))
    fixed = class_counts(model)
    if labels and is_side(count) and len(labels) != count:
        labels = None
    if is_side(count) and fixed and count not in fixed:
        return Found({}, "", note=f"config.json beside the model not used: it has {count} classes, the output "
                                  f"{' or '.join(map(str, fixed))}")
    words = {"task": "classification", "family": "classify"}
    if count == 0:
        words = {"task": "embedding", "family": "embedding"}
    fed = _feeding(model, port, said)
    if isinstance(fed, str):
        return Found(words, "config.json of timm beside the model", labels, f"its pretrained_cfg is not used: {fed}")
    return Found(words | fed, "config.json of timm beside the model", labels)


def _feeding(model: Model, port, said: dict) -> dict[str, str] | str:
    layout = model.layout(port)
    size = said.get("input_size")
    size = model.size(port, layout) or (
        tuple(size[1:]) if isinstance(size, list) and len(size) == 3 and all(map(is_side, size)) else (224, 224))
    mean, std = (numbers(said.get(key) or usual) for key, usual in (("mean", IMAGENET_MEAN), ("std", IMAGENET_STD)))
    if mean is None or std is None or len(mean) not in (1, 3) or len(std) not in (1, 3) or 0 in std:
        return "mean or std are no numbers"
    share = said.get("crop_pct") or .875
    if not (is_number(share) and .01 <= share <= 1):
        return f"crop_pct is {share!r}"
    mode = MODES.get(str(said.get("crop_mode") or "center"))
    filter = said.get("interpolation") or "bicubic"
    if mode is None or filter not in FILTERS:
        return f"crop_mode is {said.get('crop_mode')!r}, interpolation {filter!r}"
    words = {"input.name": port.name, "input.layout": layout, "input.size": f"{size[0]}x{size[1]}",
             "input.resize": f"{mode}:{share!r}", "input.filter": filter,
             "input.mean": joined(255 * m for m in mean), "input.std": joined(255 * s for s in std)}
    if mode == "centre" and size[0] != size[1]:
        words |= {"input.scale": f"cover:{int(size[0] / share)}:{int(size[1] / share)}", "input.resize": "centre:1"}
    if is_gray(port, layout):
        words |= {"input.channels": "GRAY", "input.mean": joined([255 * mean[0]]), "input.std": joined([255 * std[0]])}
    return words


def _labels(config: dict) -> list[str] | None:
    """label_names, with what label_descriptions say instead of a name such as n01440764."""
    names, described = config.get("label_names"), config.get("label_descriptions")
    if not isinstance(names, list) or not names:
        return None
    described = described if isinstance(described, dict) else {}
    return [" ".join(str(described.get(str(name), name)).split()) for name in names]
