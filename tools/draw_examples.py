#!/usr/bin/env python3
"""Draws the pictures that README.md and docs/ show, docs/pictures/*.jpg: what models say of photographs.

    python tools/draw_examples.py [--beside FOLDER ...] [NAME ...]

Models and photographs are looked for in tests/data and in the folders of --beside (else ../shared/models and
../shared/images, where they are). What is missing is said, its picture stays as it is, and the exit status is 1.
"""
import argparse
import io
import sys
from pathlib import Path

from PIL import Image

import cinfer
from cinfer.vision import Options
from cinfer.vision.chains import reader_of

ROOT = Path(__file__).parent.parent
PLACES = [ROOT / "tests" / "data", ROOT.parent / "shared" / "models", ROOT.parent / "shared" / "images"]
MOST_SIDE = 800                         # of a picture as it is shown
MOST_BYTES = 120_000

# name -> models, one after the other, photograph, what is cut out of the drawn picture (shares of its sides) or None
EXAMPLES = {
    "horses": (["nanodet_g_416_w8.onnx"], "horses.jpg", None),
    "pose": (["movenet_lightning.onnx"], "astronaut.jpg", None),
    "face": (["blazeface_short_range.onnx", "face_landmark.onnx"], "astronaut.jpg", (.2, 0, .7, .5)),
    "person": (["selfie_segmentation.onnx"], "astronaut.jpg", None),
    "page": (["ppocr_v4_det.onnx", "ppocr_v4_rec_w8.onnx", "ppocr_v2_cls.onnx"], "page.png", (0, 0, 1, .58)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(EXAMPLES)}")
    parser.add_argument("--beside", type=Path, action="append", metavar="FOLDER", help="where else files are")
    arguments = parser.parse_args()
    places = PLACES[:1] + (arguments.beside or PLACES[1:])
    unknown = set(arguments.names) - set(EXAMPLES)
    if unknown:
        parser.error(f"no example is called {', '.join(sorted(unknown))}; there are {', '.join(EXAMPLES)}")

    missing = 0
    for name in arguments.names or EXAMPLES:
        models, photograph, part = EXAMPLES[name]
        files = {each: found(each, places) for each in (*models, photograph)}
        lacks = [each for each, path in files.items() if path is None]
        if lacks:
            print(f"{name}: not drawn, there is no {', no '.join(lacks)} in {', '.join(map(str, places))}",
                  file=sys.stderr)
            missing += 1
            continue
        path = ROOT / "docs" / "pictures" / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        answer, drawn = draw([files[each] for each in models], files[photograph])
        path.write_bytes(small(drawn, part))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB, {answer.line()}")
    return 1 if missing else 0


def found(name: str, places: list[Path]) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def draw(models: list[Path], photograph: Path):
    """(the answer, the picture with it)"""
    reading = reader_of([cinfer.load(model) for model in models], options=Options()).read(photograph)
    return reading.answer, reading.answer.draw(reading.frame.picture)


def small(picture: Image.Image, part) -> bytes:
    """A JPEG of at most MOST_SIDE pixels a side and MOST_BYTES."""
    if part is not None:
        picture = picture.crop(tuple(round(share * side) for share, side in zip(part, picture.size * 2)))
    picture = picture.convert("RGB")
    picture.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    for quality in range(88, 40, -6):
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= MOST_BYTES:
            break
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
