"""What is drawn: places, colours, sizes, and that nothing is drawn elsewhere."""
import itertools
import warnings
from glob import glob

import numpy as np
import pytest
from PIL import Image

from cinfer.errors import InputError
from cinfer.vision.answers.colours import black_or_white, colour, inferno
from cinfer.vision.answers.draw import SKELETON, draw
from cinfer.vision.answers.labels import Labels, font_size, line_width
from cinfer.vision.answers.classes import Class, Classes
from cinfer.vision.answers.embedding import Embedding
from cinfer.vision.answers.map import Map
from cinfer.vision.answers.objects import Mask, Object, Objects
from cinfer.vision.answers.picture import Picture
from cinfer.vision.answers.summary import Summary
from cinfer.vision.answers.text import Line, Text

GREY = Image.new("RGB", (400, 300), (128, 128, 128))


def drawn(answer, picture=GREY, **words):
    """Pixels as drawn; the picture must be as before."""
    before = picture.tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = draw(answer, picture, **words)
    assert picture.tobytes() == before and found is not picture
    return np.asarray(found)


def changed(pixels, picture=GREY):
    return (pixels != np.asarray(picture)).any(-1)


@pytest.mark.parametrize("size, line, font", [((32, 32), 2, 12), ((640, 480), 2, 20), ((1280, 720), 3, 35),
                                              ((8000, 6000), 21, 245)])
def test_lines_and_letters_grow_with_the_picture(size, line, font):
    assert (line_width(*size), font_size(*size)) == (line, font)


def test_a_box_is_a_line_of_its_class_just_inside():
    pixels = drawn(Objects([Object(3, None, None, (100, 120, 300, 250))]))
    for x, y in ((100, 200), (101, 200), (300, 200), (200, 250), (200, 249)):
        assert tuple(pixels[y, x]) == colour(3), (x, y)
    assert not changed(pixels)[125:245, 105:295].any()
    assert not changed(pixels)[:, :99].any() and not changed(pixels)[252:].any()


def test_a_box_beyond_the_border_keeps_all_sides():
    pixels = drawn(Objects([Object(0, None, None, (-50, -50, 900, 900))]))
    for x, y in ((0, 150), (399, 150), (200, 299)):
        assert tuple(pixels[y, x]) == colour(0)


def test_the_likeliest_is_on_top():
    pixels = drawn(Objects([Object(1, None, .9, (100, 100, 200, 200)), Object(2, None, .5, (100, 100, 200, 200))]))
    assert tuple(pixels[199, 150]) == colour(1)


def test_masks_are_half_transparent_and_stay_inside():
    inside = np.zeros((50, 60), bool)
    inside[10:40, 5:50] = True
    pixels = drawn(Objects([Object(4, None, None, mask=Mask(inside, 100, 200, 400, 300))]))
    assert np.abs(pixels[220, 120].astype(int) - (np.array(colour(0)) + 128) / 2).max() <= 1
    assert not changed(pixels)[245:].any() and not changed(pixels)[205:245, :104].any()


def test_a_mask_at_the_border():
    drawn(Objects([Object(0, "a", .5, (380, 280, 400, 300), mask=Mask(np.ones((30, 30), bool), 380, 280, 400, 300))]))
    drawn(Objects([Object(0, "a", .5, (0, 0, 1, 1), mask=Mask(np.zeros((0, 0), bool), 0, 0, 400, 300))]))


def test_a_body_is_joined_where_points_are_sure():
    points = np.full((17, 3), 1.)
    points[:, :2] = np.random.default_rng(0).uniform(20, 280, (17, 2))
    whole = changed(drawn(Objects([Object(0, None, None, points=points)])))
    for a, b in SKELETON:
        x, y = ((points[a - 1] + points[b - 1]) / 2)[:2]
        assert whole[round(y) - 1:round(y) + 2, round(x) - 1:round(x) + 2].any(), (a, b)
    points[:, 2] = .1
    assert not changed(drawn(Objects([Object(0, None, None, points=points)]))).any()
    assert len(SKELETON) == 19 and {p for pair in SKELETON for p in pair} == set(range(1, 18))


def test_an_oriented_box_is_its_corners():
    corners = np.float64([[200, 50], [320, 150], [200, 250], [80, 150]])
    pixels = changed(drawn(Objects([Object(0, None, None, polygon=corners)])))
    assert pixels[100, 260] and pixels[200, 140] and not pixels[150, 200] and not pixels[290].any()


def test_labels_lie_inside_the_picture_and_apart():
    labels = Labels(400, 300)
    boxes = [(0, 0, 50, 40), (0, 0, 52, 42), (380, 290, 400, 300), (390, 0, 400, 10), (100, 100, 300, 200),
             (102, 100, 300, 202)]
    for k, box in enumerate(boxes):
        labels.add(f"label {k}", "0.50", box, (255, 0, 0))
    found = [box for box, *_ in labels._placed]
    assert len(found) == len(boxes)
    for x1, y1, x2, y2 in found:
        assert 0 <= x1 < x2 <= 400 and 0 <= y1 < y2 <= 300
    for a, b in itertools.combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_long_labels_are_cut_short():
    labels = Labels(100, 200)
    labels.add("a label that is much longer than the picture is wide", "0.50", (0, 100, 90, 190), (0, 0, 0))
    (box, text, *_), = labels._placed
    assert text.endswith("…") and box[2] <= 100


def test_small_pictures_have_no_letters():
    tiny = Image.new("RGB", (32, 32))
    with_label = drawn(Objects([Object(1, "cow", .9, (5, 5, 25, 25))]), tiny)
    assert np.array_equal(with_label, drawn(Objects([Object(1, None, None, (5, 5, 25, 25))]), tiny))


@pytest.mark.parametrize("k", range(30))
def test_letters_are_read_on_every_colour(k):
    def light(rgb):
        linear = [v / 3294.6 if v <= 10 else ((v / 255 + .055) / 1.055) ** 2.4 for v in rgb]
        return np.dot([.2126, .7152, .0722], linear)
    a, b = sorted((light(colour(k)), light(black_or_white(colour(k)))))
    assert (b + .05) / (a + .05) >= 4.5                 # WCAG 2, level AA


def test_colours_are_told_apart():
    first = np.array([colour(k) for k in range(20)], float)
    apart = np.abs(first[:, None] - first[None]).sum(-1)[~np.eye(20, dtype=bool)]
    assert apart.min() > 40 and len({colour(k) for k in range(255)}) > 250


def test_the_table_of_numbers_gets_lighter():
    light = inferno().astype(float) @ [.2126, .7152, .0722]
    assert (np.diff(light) > -.75).all() and light[0] < 5 and light[-1] > 230
    # matplotlib's own, at 0, a quarter, a half, three quarters, 1
    known = np.array([(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)])
    assert np.abs(inferno()[[0, 64, 128, 191, 255]].astype(int) - known).max() <= 8


def test_class_maps_leave_the_background():
    classes = np.zeros((300, 400), np.uint8)
    classes[200:, 200:], classes[250:, :100] = 5, 255
    pixels = drawn(Map(classes, "semantic", ["background", "a", "b", "c", "d", "e"], 255))
    assert np.abs(pixels[290, 390].astype(int) - (np.array(colour(5)) + 128) / 2).max() <= 1
    assert not changed(pixels)[100:, :200].any() and changed(pixels)[:30, :60].any()       # the legend


def test_numbers_are_drawn_from_dark_to_light():
    values = np.tile(np.linspace(2, 6, 400, dtype=np.float32), (300, 1))
    values[10, 10] = np.nan
    pixels = drawn(Map(values, "depth"))
    assert pixels.shape == (300, 400, 3)
    assert np.array_equal(pixels[100, [0, 399]], inferno()[[0, 255]]) and np.array_equal(pixels[10, 10], inferno()[0])


def test_anomalies_are_outlined():
    marked = np.zeros((300, 400), bool)
    marked[100:200, 100:200] = True
    pixels = drawn(Map(np.zeros((300, 400), np.float32), "anomaly", score=.9, label="Anomaly", marked=marked))
    assert pixels[150, 100].tolist() == [255] * 3 and pixels[150, 150].max() < 80 and pixels[150, 250].max() < 80


def test_a_map_of_another_size_is_drawn_on_the_picture():
    for values in (np.ones((30, 40), np.uint8), np.ones((30, 40), np.float32)):
        assert drawn(Map(values, "depth")).shape[:2] == (300, 400)
    assert drawn(Map(np.ones((30, 40), np.float32), "matting")).shape == (300, 400, 4)


def test_text_lies_in_its_place():
    quad = np.float64([[50, 100], [350, 100], [350, 140], [50, 140]])
    pixels = drawn(Text([Line("HELLO", .9, quad)]))
    assert (pixels[105:135, 55:345].max(-1) < 60).any() and pixels[120, 340].min() > 220
    assert not changed(pixels)[:95].any() and not changed(pixels)[145:].any()
    turned = drawn(Text([Line("HELLO", .9, np.float64([[100, 250], [100, 50], [140, 50], [140, 250]]))]))
    assert (turned[60:240, 105:135].max(-1) < 60).any() and not changed(turned)[:, 150:].any()


@pytest.mark.parametrize("size", [(300, 20), (120, 33), (300, 48)])
def test_a_line_that_is_the_picture_is_written_in_its_place(size):
    """What a recogniser alone reads."""
    quad = np.float64([(0, 0), (size[0], 0), size, (0, size[1])])
    picture = Image.new("RGB", size, (128, 128, 128))
    alone = drawn(Text([Line("words", .9)]), picture)
    assert np.array_equal(alone, drawn(Text([Line("words", .9, quad)]), picture))
    assert (alone.max(-1) < 60).any() and alone[size[1] // 2, -4].min() > 220


@pytest.mark.parametrize("size", [(28, 28), (32, 32), (200, 20), (442, 45), (48, 64), (320, 240)])
def test_classes_are_written_on_small_pictures_too(size):
    ground = Image.new("RGB", size, (128, 128, 128))
    pixels = drawn(Classes([Class(3, "3", .98), Class(8, "8", .01), Class(1, "1", .01)]), ground)
    rows = np.flatnonzero(changed(pixels, ground).any(1))
    assert (pixels.min(-1) > 180).any() and len(rows) <= .8 * size[1]


def test_what_has_no_place_is_written_in_the_corner():
    assert changed(drawn(Classes([Class(1, "a dog", .9)])))[:20, :60].any()
    for answer in (Embedding(np.ones(4)), Summary([])):
        assert not changed(drawn(answer)).any()
    assert drawn(Picture(np.zeros((7, 9, 3), np.uint8))).shape == (7, 9, 3)


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 500), (500, 1), (20, 3), (32, 32)])
def test_any_numbers_on_any_size(size):
    picture, (w, h) = Image.new("RGB", size), size
    nan, far = float("nan"), 1e300
    answers = [
        Objects([Object(1, "cow", .9, (0, 0, 1, 1), np.ones((17, 3))), Object(1, "x", None, (nan, 0, 0, 1)),
                 Object(1, "far", .3, (-far, -1e12, far, 1e12)), Object(0, "p", .5, points=np.zeros((0, 3))),
                 Object(2, "turned", .3, polygon=np.float64([(-far, 0), (0, far), (9, 9)])),
                 Object(0, None, nan, None, np.full((5, 2), np.inf)), Object(10**9, "\n\t ", .1, (5, 5, 1, 1)),
                 Object(0, "m", .5, None, mask=Mask(np.ones((h, w), bool), 0, 0, w, h))]),
        Map(np.zeros((h, w), np.uint8), "semantic"), Map(np.full((h, w), 700, np.uint16), "semantic"),
        Map(np.full((h, w), nan, np.float32), "depth"), Map(np.full((h, w), np.inf, np.float32), "depth"),
        Map(np.zeros((h, w), np.float32), "anomaly", score=nan, label="x", marked=np.ones((h, w), bool)),
        Classes([Class(1, "abc", .5)]), Classes([]), Text([Line("x", None, np.zeros((4, 2))), Line("", 1.)]),
        Text([Line("far away", None, np.float64([(0, 0), (1e9, 0), (1e9, 1e9), (0, 1e9)]))])]
    for answer in answers:
        assert drawn(answer, picture).shape[:2] == (h, w)


def test_other_modes_become_colours():
    for mode in ("L", "RGBA", "P", "1"):
        assert drawn(Objects([Object(0, "a", .5, (5, 5, 30, 30))]), Image.new(mode, (50, 50))).shape == (50, 50, 3)


def test_a_font_that_is_none_is_named(tmp_path):
    path = tmp_path / "no.ttf"
    path.write_text("no font")
    for each in (str(path), str(tmp_path / "none.ttf")):
        with pytest.raises(InputError, match="the font .* cannot be read: "):
            draw(Objects([Object(0, "a", .5, (50, 50, 300, 200))]), GREY, font=each)


def test_letters_that_the_font_lacks_are_said(tmp_path):
    labels = ("person", False), ("a/b (3)", False), ("Straße", True), ("人", True), ("e\u0301", False)
    for label, is_lacking in labels:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for answer in (Objects([Object(0, label, .5, (50, 50, 300, 200))]), Classes([Class(0, label, .5)]),
                           Map(np.zeros((9, 9), np.uint8), "semantic", [label]), Text([Line(label, .9, None)])):
                draw(answer, GREY)
        assert len(said) == 4 * is_lacking and all("--font FILE" in str(each.message) for each in said)


def test_text_that_the_font_lacks_stays_as_it_is_in_the_picture():
    quad = np.array([(20., 20), (200, 20), (200, 60), (20, 60)])
    with pytest.warns(UserWarning, match="--font FILE"):
        read, lacking = (np.asarray(draw(Text([Line(text, .9, quad)]), GREY)) for text in ("read", "読む"))
    inside = np.s_[26:54, 30:190]
    assert (lacking[inside] == np.asarray(GREY)[inside]).all() and (read[inside] != np.asarray(GREY)[inside]).any()
    assert (lacking != np.asarray(GREY)).any()          # its frame


def test_fonts_with_more_letters():
    path = next(iter(sorted(glob("/usr/share/fonts/**/DejaVuSans.ttf", recursive=True))), None)
    if path is None:
        pytest.skip("there is no DejaVu font here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(Objects([Object(0, "Straße → Ж", .5, (50, 50, 300, 200))]), GREY, font=path)
