"""JPEG files without an end marker: read where every pixel is there, refused where not."""
import io
import random
import threading
import types
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from cinfer.errors import Error, InputError
from cinfer.vision.pictures.decode import decode
from cinfer.vision.pictures.jpeg_end import all_scans

NOISE = np.random.default_rng(0).integers(0, 256, (61, 75, 3)).astype(np.uint8)
STEEP = np.add.outer(np.arange(90) * 2, np.arange(120))[..., None] * [1, 2, 3] % 256
PICTURES = {
    "noise": Image.fromarray(NOISE), "grey": Image.fromarray(NOISE[..., 0]),
    "smooth": Image.fromarray(STEEP.astype(np.uint8)), "CMYK": Image.fromarray(NOISE).convert("CMYK"),
    "white below": Image.fromarray(np.where(np.arange(61)[:, None, None] < 30, NOISE, 255).astype(np.uint8)),
    "one colour": Image.new("RGB", (50, 40), (10, 200, 30)),
    "one pixel": Image.new("RGB", (1, 1), (10, 200, 30)),
}
OPTIONS = {
    "baseline": {}, "best": {"quality": 100, "subsampling": 0}, "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1}, "many restarts": {"restart_marker_blocks": 3},
    "progressive restarts": {"progressive": True, "restart_marker_blocks": 5},
    "optimised": {"optimize": True},
}


def jpeg(picture, how: str, **more) -> bytes:
    file = io.BytesIO()
    PICTURES[picture].save(file, "JPEG", **OPTIONS[how], **more)
    assert file.getvalue().endswith(b"\xff\xd9")
    return file.getvalue()


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("picture", PICTURES)
def test_all_pixels_without_an_end(picture, how):
    data = jpeg(picture, how)
    want = np.asarray(decode(data))
    for name, cut in {"no marker": data[:-2], "half a marker": data[:-1], "zeros": data[:-2] + bytes(500),
                      "bytes of the camera": data[:-2] + b"dhav\x59\x19"}.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            got = np.asarray(decode(cut))
        assert np.array_equal(got, want), name
        # Pillow is content by itself with some, when it happens to have all lines before it asks for more
        # bytes
        assert {str(note.message) for note in caught} <= {
            "the picture: the JPEG has no end marker; all its pixels are there"}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("picture", PICTURES)
def test_bytes_behind_the_end_are_not_worth_a_word(picture, how):
    data = jpeg(picture, how)
    for behind in (b"dhav\x59\x19\x01\x00", bytes(3), b"\xff", b"\xff\xd8\xff\xe0", data):
        assert np.array_equal(np.asarray(decode(data + behind)), np.asarray(decode(data)))


@pytest.mark.filterwarnings("ignore:.*no end marker")
@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("picture", PICTURES)
def test_a_cut_that_lacks_pixels_is_refused(picture, how):
    data = jpeg(picture, how)
    want = np.asarray(decode(data))
    restarts = {len(data) - at - n for at in range(len(data))
                if data[at] == 0xFF and data[at + 1] & 0xF8 == 0xD0 for n in (0, 1, 2)}
    cuts = {3, 4, 5, 6, 8, 12, 16, 32, 64, 100, 250, 1000, *random.Random(3).sample(range(3, len(data)), 25),
            *sorted(restarts)[:30]}
    accepted = []
    for cut in cuts:
        try:
            got = np.asarray(decode(data[:-cut] if cut < len(data) else b""))
        except Error as error:
            assert isinstance(error, InputError) and "\n" not in str(error)
        else:                                           # what is cut off may say nothing new, of flat parts
            assert np.array_equal(got, want), f"{cut} bytes less, other pixels"
            accepted.append(cut)
    flat = picture in ("one colour", "one pixel", "CMYK", "white below")
    assert not accepted or flat and "progressive" in how, accepted


def scan_ends(data: bytes) -> list[int]:
    """Where the headers between the scans of a progressive picture begin."""
    first = data.index(b"\xff\xda")
    return [at for at in range(first + 2, len(data) - 2)
            if data[at] == 0xFF and data[at + 1] in (0xC4, 0xDA)]


@pytest.mark.parametrize("how", ["progressive", "progressive restarts"])
@pytest.mark.parametrize("behind", [b"", b"\xff", b"\xff\xd9"[:1]])
def test_a_cut_between_two_scans_is_refused(how, behind):
    data = jpeg("noise", how)
    ends = scan_ends(data)
    assert len(ends) > 5
    for at in ends:
        assert not all_scans(data[:at])
        with pytest.raises(InputError, match="truncated"):
            decode(data[:at] + behind)
    assert all_scans(data[:-2])


def test_orientation_and_path_are_kept(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "snapshot.jpg"
    path.write_bytes(jpeg("smooth", "baseline", exif=exif)[:-2])
    with pytest.warns(UserWarning, match="snapshot.jpg: the JPEG has no end marker") as caught:
        assert decode(path).size == (90, 120)
    assert caught[0].filename == __file__
    with open(path, "rb") as file, pytest.warns(UserWarning):
        assert decode(file).size == (90, 120)


def test_pillow_s_own_setting_stays(request):
    """LOAD_TRUNCATED_IMAGES is seen by all threads of the host program."""
    class Watched(types.ModuleType):
        def __setattr__(self, name, value):
            raise AssertionError(f"ImageFile.{name} is set")
    original = ImageFile.__class__
    ImageFile.__class__ = Watched
    request.addfinalizer(lambda: types.ModuleType.__setattr__(ImageFile, "__class__", original))
    with pytest.warns(UserWarning):
        decode(jpeg("smooth", "baseline")[:-2])
    with pytest.raises(InputError):
        decode(jpeg("noise", "baseline")[:-500])


def test_filters_of_warnings_are_as_before_whatever_threads_overlap():
    data, before = jpeg("noise", "best"), list(warnings.filters)
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before
