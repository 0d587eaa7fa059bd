"""Files that transformers (Hugging Face) leaves beside a model: preprocessor_config.json (how a picture is prepared)
and config.json (what the model is, and its classes); they may lie in the folder above one that is called onnx.

Sources: the image processors and post-processing of transformers 5.24 (Apache-2.0); older files, of feature extractors,
have the size as one number, and leave out what the class implies.
"""
from __future__ import annotations

from ...metadata import is_decimal
from .beside import IMAGENET_MEAN, IMAGENET_STD, is_gray, is_number, is_side, joined, numbers, output_of
from .model import Found, Model

FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")       # Pillow's numbers of them
HALF, CLIP_MEAN, CLIP_STD = (.5, .5, .5), (.48145466, .4578275, .40821073), (.26862954, .26130258, .27577711)

# What a processor implies where its file does not say it. s: one number is the shorter side; c: the centre is cut out;
# n: not normalised; b: blue first; i, h, l: mean and std of ImageNet, a half, CLIP's; 0 to 3: the filter
PROCESSORS = {
    "beit": "h3", "bit": "scl3", "blip": "l3", "chineseclip": "scl3", "clip": "scl3", "conditionaldetr": "si2",
    "convnext": "sh3", "deformabledetr": "si2", "deit": "hc3", "detr": "si2", "dpt": "h3", "efficientnet": "h3",
    "flava": "lc3", "glpn": "n2", "levit": "sci3", "mask2former": "si2", "maskformer": "si2", "mobilenetv1": "sch2",
    "mobilenetv2": "sch2", "mobilevit": "scnb3", "owlvit": "l3", "poolformer": "sci3", "pvt": "i3", "rtdetr": "n2",
    "segformer": "i2", "siglip": "h3", "superpoint": "n2", "swin2sr": "n2", "textnet": "si2", "timesformer": "sch2",
    "videomae": "sch2", "vit": "h2", "yolos": "si2"}
ROUNDED_UP = ("textnet", "maskformer", "mask2former")       # stretched to a multiple of size_divisor
CROPPED = ("clip", "chineseclip", "bit", "videomae", "levit", "poolformer")     # to the size of the shorter side
# Whose pictures become something else than one picture of a size: patches, tiles, counts of pixels, warped parts.
OTHERS = ("aria", "bridgetower", "donut", "fuyu", "gemma", "glm4", "glm5", "glmimage", "idefics", "layoutlm", "llava",
          "mllama", "nougat", "owlv2", "perceiver", "pix2struct", "pixtral", "qwen", "sam", "siglip2", "smolvlm",
          "vilt", "vitmatte", "vitpose", "zoedepth")
# model_type -> processor, where no file names one and the names differ
OF_TYPE = {"convnextv2": "convnext", "resnet": "convnext", "regnet": "convnext", "cvt": "convnext", "dinov2": "bit",
           "focalnet": "bit", "hiera": "bit", "mobilevitv2": "mobilevit", "depthanything": "dpt",
           "upernet": "segformer",
           "data2vecvision": "beit", "tabletransformer": "detr", "dfine": "rtdetr", "rtdetrv2": "rtdetr", "swin": "vit",
           "swinv2": "vit", "clipvisionmodel": "clip", "siglipvisionmodel": "siglip", "pvtv2": "pvt"}
# The end of an architecture's name -> task, output, ranks it may have
TASKS = {"ForImageClassification": ("classification", "logits", (2,)),
         "ForImageClassificationWithTeacher": ("classification", "logits", (2,)),
         "ForVideoClassification": ("classification", "logits", (2,)),
         "ForObjectDetection": ("detection", "pred_boxes", (3,)),
         "ForSemanticSegmentation": ("semantic", "logits", (4,)),
         "ForImageSuperResolution": ("image", "reconstruction", (4,)),
         "ForDepthEstimation": ("depth", "predicted_depth", (3, 4)),
         "VisionModelWithProjection": ("embedding", "image_embeds", (2,)),
         "VisionModel": ("embedding", "pooler_output", (2, 3))}
SOFTMAX = ("detr", "tabletransformer", "yolos")             # detectors whose last class is none; all others: sigmoid
BEST = {"conditionaldetr": 100, "deformabledetr": 100}      # classes of queries that are looked at; others: all queries
METRIC = ("glpn", "zoedepth")                               # depth in metres
MEANS = ("swin", "swinv2", "ijepa", "siglip")               # whose last_hidden_state has no token of the whole


def transformers(model: Model) -> Found | None:
    config, processor = model.json("config.json"), model.json("preprocessor_config.json")
    config = config if config and is_transformers(config) else {}
    if processor is None and not config:
        return None
    words, labels, wrong = about(model, config)
    if wrong:
        files = " and ".join(["config.json"] + ["preprocessor_config.json"] * (processor is not None))
        return Found({}, "", note=f"{files} beside the model not used: {wrong}")
    used, note = ["config.json"] * bool(words or labels), ""
    if processor is not None:
        fed = feeding(model, processor, config)
        if isinstance(fed, str):
            note = f"preprocessor_config.json beside the model not used: {fed}"
        else:
            words |= fed
            used.insert(0, "preprocessor_config.json")
    return Found(words, f"{' and '.join(used)} beside the model" if used else "", labels, note)


def is_transformers(config: dict) -> bool:
    return "pretrained_cfg" not in config and any(key in config for key in ("model_type", "architectures", "id2label"))


def plain(name) -> str:
    """A processor's or a type's name without what varies: DetrImageProcessorFast, DetrFeatureExtractor, detr -> detr"""
    name = str(name or "").lower().replace("-", "").replace("_", "")
    for end in ("fast", "pil", "imageprocessor", "featureextractor", "processor"):
        name = name.removesuffix(end)
    return name


# ---- config.json

def about(model: Model, config: dict) -> tuple[dict[str, str], list[str] | None, str]:
    """(words, labels, why this is about another model)"""
    architecture = next((a for a in _list(config.get("architectures")) if isinstance(a, str)), "")
    kind = plain(config.get("model_type") or architecture.partition("For")[0])
    labels = labels_of(config)
    found = next((TASKS[end] for end in sorted(TASKS, key=len, reverse=True) if architecture.endswith(end)), None)
    if not architecture and model.outputs_named("logits", "pred_boxes"):
        found = TASKS["ForObjectDetection"]
    if found is None and architecture.endswith("Model") and any(
            model.output(name) for name in ("image_embeds", "pooler_output", "last_hidden_state")):
        found = "embedding", "pooler_output", (2, 3, 4)
    if found is None:
        return {}, labels if fits(model, labels) else None, ""
    task, name, ranks = found
    port = output_of(model, name, ranks)
    if port is None or task == "detection" and not model.outputs_named("logits", "pred_boxes"):
        return {}, None, f"it is of {architecture}, the model has other outputs"
    words = {"task": task}
    if task == "classification":
        words |= {"family": "classify", "output.name": port.name} | activation(config, labels)
        count = port.shape[-1] if port.shape else None
    elif task == "detection":
        softmax = kind in SOFTMAX
        words |= {"output.activation": "softmax" if softmax else "sigmoid",
                  "output.background": "last" if softmax else "none",
                  "output.threshold": ".5"}
        if kind in BEST:
            words["output.most"] = str(BEST[kind])
        logits = model.output("logits")
        count = logits.shape[-1] - softmax if logits.shape and isinstance(logits.shape[-1], int) else None
    elif task == "semantic":
        count = port.shape[1] if port.shape else None
    else:
        count = None
        if task == "image":
            words |= {"output.name": name, "output.std": "255"}
        if task == "depth":
            words["output.filter"] = "bicubic"
            if config.get("depth_estimation_type") == "metric" or kind in METRIC:
                words["output.unit"] = "m"
        if task == "embedding":
            words |= {"family": "embedding", "output.pooling": "mean" if kind in MEANS else "first"}
    if labels and isinstance(count, int) and count != len(labels):
        return {}, None, f"it has {len(labels)} classes, the output {count}"
    return words, labels if count is not None or task != "embedding" else None, ""


def activation(config: dict, labels) -> dict[str, str]:
    """How scores become probabilities, as the pipeline for image classification has it."""
    problem = config.get("problem_type")
    if problem == "regression":
        return {"output.kind": "probabilities"}
    if problem == "multi_label_classification" or labels and len(labels) == 1:
        return {"output.kind": "multilabel"}
    return {"output.kind": "logits"}


def labels_of(config: dict) -> list[str] | None:
    """id2label: a dict of text numbers, or a list."""
    named = config.get("id2label")
    if isinstance(named, list):
        named = dict(enumerate(named))
    if not isinstance(named, dict) or not all(is_decimal(str(i), 5) for i in named) or not named:
        return None
    named = {int(i): " ".join(str(label).split()) for i, label in named.items()}
    return [named.get(i, str(i)) for i in range(max(named) + 1)]


def fits(model: Model, labels) -> bool:
    from .beside import class_counts
    return bool(labels) and bool({len(labels), len(labels) + 1} & set(class_counts(model)))


# ---- preprocessor_config.json

def feeding(model: Model, said: dict, config: dict) -> dict[str, str] | str:
    """Words of `input.*`, or why there are none."""
    kind = plain(said.get("image_processor_type") or said.get("feature_extractor_type"))
    kind = kind if kind in PROCESSORS or kind.startswith(OTHERS) else OF_TYPE.get(
        kind or plain(config.get("model_type")), kind or plain(config.get("model_type")))
    if kind.startswith(OTHERS) and kind not in PROCESSORS:
        return f"cinfer does not prepare pictures as {kind} does"
    implied = PROCESSORS.get(kind, "")
    port = model.picture_input()
    if port is None:
        return "no input takes a picture"
    layout = model.layout(port)
    words = {"input.name": port.name, "input.layout": layout}
    gray = is_gray(port, layout)
    wrong = _values(words, said, kind, implied, gray) or _size(words, said, kind, implied, model.size(port, layout))
    if layout in ("NCTHW", "NTCHW", "NTHWC"):
        frames = port.shape[layout.index("T")]
        frames = frames if isinstance(frames, int) else config.get("num_frames")
        words["input.frames"] = str(frames if is_side(frames) and frames <= 1000 else 16)
    return wrong or words


def _values(words: dict, said: dict, kind: str, implied: str, gray: bool) -> str:
    """input = (value * rescale_factor [- 1] - image_mean) / image_std. Returns what is wrong."""
    factor = said.get("rescale_factor", 1 / 255)
    factor = factor if said.get("do_rescale", True) is not False else 1.0
    if not is_number(factor) or not 1e-6 < factor < 1e3:
        return f"rescale_factor is {factor!r}"
    offset = 1.0 if said.get("rescale_offset", said.get("offset")) is True else 0.0
    mean, std = (0.0,), (1.0,)
    if _said(said, "do_normalize", "n" not in implied):
        usual = ((CLIP_MEAN, CLIP_STD) if "l" in implied else (IMAGENET_MEAN, IMAGENET_STD) if "i" in implied
                 else (HALF, HALF) if "h" in implied else (None, None))
        mean, std = numbers(said.get("image_mean", usual[0])), numbers(said.get("image_std", usual[1]))
        if mean is None or std is None or not {len(mean), len(std)} <= {1, 3} or min(map(abs, std)) < 1e-6:
            return "image_mean or image_std is missing, or no numbers"
    if gray:
        words["input.channels"] = "GRAY"
        if len(set(mean)) > 1 or len(set(std)) > 1:
            return "image_mean is of three channels, the input takes one"
        mean, std = mean[:1], std[:1]
    elif _said(said, "do_flip_channel_order", "b" in implied):
        words["input.channels"] = "BGR"
        mean, std = mean[::-1], std[::-1]
    if kind == "efficientnet" and said.get("include_top", True):        # Keras's weights: divided by std once more
        std = tuple(s * s for s in std)
    words["input.mean"] = joined((m + offset) / factor for m in mean)
    words["input.std"] = joined(s / factor for s in std)
    return ""


def _size(words: dict, said: dict, kind: str, implied: str, fixed: tuple[int, int] | None) -> str:
    """How a picture gets its size. fixed : (height, width) of the input. Returns what is wrong."""
    resample = said.get("resample", int(implied[-1]) if implied else 2)
    if not (isinstance(resample, int) and 0 <= resample < len(FILTERS)):
        return f"resample is {resample!r}"
    words["input.filter"] = FILTERS[resample]
    if kind == "swin2sr":
        side = said.get("size_divisor") or said.get("pad_size") or 8
        if fixed is not None or not is_side(side):
            return _fixed(words, fixed) if is_side(side) else f"pad_size is {side!r}"
        pads = said.get("do_pad") is not False
        words |= {"input.size": f"next:{side}", "input.resize": "mirror"} if pads else {"input.size": "any"}
        return ""
    size, wrong = sides(said.get("size"), "s" in implied, said.get("max_size"))
    if wrong:
        return wrong
    size = size or ({"shortest": min(fixed)} if fixed and kind in (*CROPPED, "convnext") else {})
    crop, wrong = sides(said.get("crop_size"), False, None)
    cuts = _said(said, "do_center_crop", "c" in implied and bool(crop or size))
    divisor = said.get("size_divisibility", said.get("size_divisor"))
    divisor = divisor if is_side(divisor) else None
    percent = said.get("crop_pct")
    if not _said(said, "do_resize", True):
        scaled = "any"
    elif kind == "glpn":
        scaled = f"down:{divisor or 32}"
    elif not size and (fixed is None or "c" in implied and kind not in CROPPED):
        return "it says no size"
    elif not size and kind not in (*CROPPED, "convnext"):
        return _fixed(words, fixed)
    elif kind == "convnext" and "shortest" in size:
        side = size["shortest"]
        if side >= 384:
            scaled, cuts = f"{side}x{side}", False
        else:
            share = percent if is_number(percent) and .01 <= percent <= 1 else 224 / 256
            scaled, cuts, crop = f"short:{int(side / share)}", True, {"height": side, "width": side}
    elif kind == "levit" and "shortest" in size:
        scaled = f"short:{int(256 / 224 * size['shortest'])}"
    elif kind == "poolformer" and percent is not None:
        side = size.get("shortest") or size.get("height")
        if not (is_number(percent) and .01 <= percent <= 1 and side):
            return f"crop_pct is {percent!r}"
        scaled = f"short:{int(side / percent)}"
    else:
        scaled = rule(size, said)
    if cuts:
        crop = crop if crop and "height" in crop else None
        if crop is None and "height" in size:
            crop = size
        if crop is None and size.get("shortest"):
            crop = {"height": size["shortest"], "width": size["shortest"]}
        if crop is None:
            return "do_center_crop without a crop_size"
        height, width = fixed or (crop["height"], crop["width"])
        words |= {"input.scale": scaled, "input.size": f"{height}x{width}", "input.resize": "cut:1"}
        return ""
    return _padded(words, said, kind, scaled, divisor, fixed)


def rule(size: dict, said: dict) -> str:
    """The size that the picture is scaled to, as a size of docs/metadata.md."""
    multiple = said.get("ensure_multiple_of")
    multiple = multiple if is_side(multiple) else 1
    if "height" in size:
        height, width = size["height"], size["width"]
        if said.get("keep_aspect_ratio"):
            return f"fit:{height}:{width}:{multiple}"
        return f"{max(1, round(height / multiple)) * multiple}x{max(1, round(width / multiple)) * multiple}"
    if "max_height" in size:
        return f"inside:{size['max_height']}:{size['max_width']}"
    if "shortest" in size:
        return f"short:{size['shortest']}" + (f":{size['longest']}" if "longest" in size else "")
    return f"long:{size['longest']}"


def _padded(words: dict, said: dict, kind: str, scaled: str, divisor: int | None, fixed) -> str:
    """Zeros to the right and below, after mean and std, where the file says so; DPT's around it."""
    exact = scaled[0].isdigit()
    pad, _ = sides(said.get("pad_size"), False, None)
    pads = said.get("do_pad") is True or said.get("pad_and_return_pixel_mask") is True
    middle = "letterbox:mean" if kind == "dpt" else "pad:mean"
    if fixed is not None:
        if exact or scaled == "any" or scaled.startswith("fit"):
            return _fixed(words, fixed)
        words |= {"input.size": f"{fixed[0]}x{fixed[1]}", "input.resize": "corner:mean" if pads else "stretch"}
    elif pads and pad and "height" in pad:
        words |= {"input.scale": scaled, "input.size": f"{pad['height']}x{pad['width']}", "input.resize": middle}
    elif pads and divisor:
        words |= {"input.scale": scaled, "input.size": f"up:{divisor}", "input.resize": middle}
    elif kind == "yolos" and not exact:
        words |= {"input.scale": scaled, "input.size": "down:16", "input.resize": "stretch"}
    elif kind in ROUNDED_UP:
        words |= {"input.scale": scaled, "input.size": f"up:{divisor or 32}", "input.resize": "stretch"}
    else:
        words |= {"input.size": scaled, "input.resize": "stretch"}
    return ""


def _fixed(words: dict, fixed: tuple[int, int]) -> str:
    words |= {"input.size": f"{fixed[0]}x{fixed[1]}", "input.resize": "stretch"}
    return ""


def sides(value, shorter: bool, longest) -> tuple[dict[str, int] | None, str]:
    """A size of any age as a dict of height and width, shortest and longest, or max_height and max_width.

    shorter : one number is the shorter side, not both"""
    if value is None:
        return None, ""
    if is_side(value):
        if not shorter:
            return {"height": value, "width": value}, ""
        return {"shortest": value} | ({"longest": longest} if is_side(longest) else {}), ""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(is_side, value)):
        return {"height": value[0], "width": value[1]}, ""
    if isinstance(value, dict):
        found = {key.removesuffix("_edge"): side for key, side in value.items() if is_side(side)}
        for pair in (("height", "width"), ("max_height", "max_width"), ("shortest", "longest"), ("shortest",),
                     ("longest",)):
            if all(key in found for key in pair):
                return {key: found[key] for key in pair}, ""
    return None, f"a size is {str(value)[:60]}"


def _said(said: dict, key: str, implied: bool) -> bool:
    return bool(said[key]) if said.get(key) is not None else implied


def _list(value) -> list:
    return value if isinstance(value, list) else [value]
