"""JPEGs that are larger than needed are decoded at a fraction of their size; places stay those of the whole picture."""

import io

import numpy as np
import pytest
from constant_model import model
from PIL import Image

from cinfer.vision import read
from cinfer.vision.pictures import decode as decoding
from cinfer.vision.pictures.decode import decode, decoded
from cinfer.vision.pictures.frames import frame
from cinfer.vision.reader import Reader


@pytest.fixture(autouse=True)
def none_is_small(monkeypatch):
    monkeypatch.setattr(decoding, "SMALL", 0)


def photo(width, height, format="JPEG", **options):
    """A smooth picture: red to the right, green downwards."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 255 // width, y * 255 // height, (x + y) % 2 * 8], -1).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def turned_by(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("width, height, least, size", [
    (640, 480, (80, 60), (160, 120)),          # a quarter: exactly twice
    (640, 480, (81, 60), (320, 240)),          # one side would be less than twice
    (640, 480, (80, 61), (320, 240)),
    (640, 480, (40, 30), (80, 60)), (640, 480, (4, 3), (80, 60)),       # libjpeg goes no further than 1/8
    (641, 479, (80, 59), (161, 120)), (640, 480, (161, 120), (640, 480)), (640, 480, (640, 480), (640, 480)),
    (640, 480, (2000, 3), (640, 480)), (640, 480, None, (640, 480))])  # fmt: skip
def test_no_side_is_less_than_twice_what_is_needed(width, height, least, size):
    asked = []
    picture, whole = decoded(photo(width, height), None, lambda *of: asked.append(of) or least)
    assert (picture.size, whole, asked) == (size, (width, height), [(width, height)])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sides_are_those_that_a_person_sees(orientation):
    data = photo(640, 480, exif=turned_by(orientation), quality=95)
    upright = (480, 640) if orientation > 4 else (640, 480)
    asked = []
    picture, whole = decoded(data, None, lambda *of: asked.append(of) or tuple(side // 8 for side in of))
    assert whole == upright and asked == [upright] and picture.size == (upright[0] // 4, upright[1] // 4)
    small = decode(data).resize(picture.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, np.int16) - np.asarray(picture)).mean() < 2


def test_small_pictures_are_decoded_whole(monkeypatch):
    monkeypatch.setattr(decoding, "SMALL", 640 * 480)
    assert decoded(photo(640, 480), None, lambda *of: (8, 6))[0].size == (640, 480)
    assert decoded(photo(640, 481), None, lambda *of: (8, 6))[0].size == (80, 61)


@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "WEBP"}, {"format": "TIFF"}])
def test_other_formats_are_decoded_whole(options):
    picture, whole = decoded(photo(640, 480, **options), None, lambda *of: (8, 6))
    assert picture.size == whole == (640, 480)


def test_of_several_pictures_in_one_file_the_first_counts():
    file = io.BytesIO()
    first = Image.open(io.BytesIO(photo(640, 480)))
    first.save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (640, 480))])
    picture, whole = decoded(file.getvalue(), None, lambda *of: (80, 60))
    assert (picture.size, whole) == ((160, 120), (640, 480))
    small = first.resize((160, 120), Image.Resampling.BOX)
    assert np.abs(np.asarray(small, np.int16) - np.asarray(picture)).mean() < 2


def test_a_jpeg_without_end_is_decoded_whole():
    with pytest.warns(UserWarning, match="no end marker"):
        picture, whole = decoded(photo(640, 480)[:-2], None, lambda *of: (8, 6))
    assert whole == (640, 480) and picture.size in (whole, (80, 60))


def reads(**flags):
    words = {f"input.{key}": text for key, text in flags.items()}
    outputs = {"y": np.zeros((1, 5), np.float32)}
    return Reader(model(outputs, None, (1, 3, "h", "w"), name="x"), {key: (text, key) for key, text in words.items()})


@pytest.mark.parametrize("flags, held", [
    ({"size": "30x40", "resize": "stretch"}, (80, 60)),
    ({"size": "60x60", "resize": "stretch"}, (160, 120)),
    ({"size": "64x64", "resize": "letterbox:0"}, (160, 120)),                  # scaled to 64x48
    ({"size": "64x64", "resize": "crop:0.5"}, (640, 480)),                     # scaled to 171x128
    ({"size": "32x32", "resize": "crop:1"}, (160, 120)),                       # scaled to 43x32
    ({"size": "64x64", "resize": "middle"}, (320, 240)),                       # of 480x480: all of it 86x64
    ({"size": "32x32", "resize": "stretch", "filter": "nearest"}, (640, 480)),  # single pixels count
    ({"size": "32x32", "resize": "stretch", "filter": "corner"}, (640, 480)),
    ({"size": "32x32", "resize": "stretch", "filter": "floor"}, (640, 480)),
    ({"size": "any"}, (640, 480)), ({"size": "long:160", "resize": "stretch"}, (320, 240))])  # fmt: skip
def test_the_recipe_says_what_is_needed(flags, held):
    reader, data = reads(**flags), photo(640, 480)
    assert reader.opened(data).held.size == (640, 480)  # unless it is said that a part is enough
    reader.whole = False
    taken = reader.opened(data)
    assert taken.held.size == held and (taken.width, taken.height) == (640, 480)
    small, whole = reader.prepare(taken), reader.prepare(frame(data))
    assert small.where == whole.where
    assert np.abs(small.feeds["x"] - whole.feeds["x"]).mean() < 2 / 255


def test_exact_decodes_whole():
    made = model({"y": np.zeros((1, 5), np.float32)}, None, (1, 3, 16, 16), name="x")
    seen, run = [], made.run

    class Watched:
        inputs, outputs, metadata = made.inputs, made.outputs, made.metadata

        def __getattr__(self, name):
            return getattr(made, name)

        def run(self, names, feeds):
            seen.append(feeds["x"])
            return run(names, feeds)
    watched, data = Watched(), photo(640, 480)
    read(watched, data)
    read(watched, data, exact=True)
    read(watched, decode(data))
    assert np.array_equal(seen[1], seen[2]) and not np.array_equal(seen[0], seen[1])
