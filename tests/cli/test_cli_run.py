"""cinfer run: pictures in, answers out, in their order."""

import json
import math
import shutil

import numpy as np
import pytest
from PIL import Image
from program import DATA, cinfer, red, start  # noqa: F401 (fixtures)
from small_models import classifier, enlarger, halves, skipping, without_batch

DEMO = DATA / "efficientnet_lite0_w8.onnx"
STRETCHED = {
    "cinfer.recipe": "1",
    "cinfer.task": "classification",
    "cinfer.labels": "red\ngreen\nblue",
    "cinfer.input.size": "8x8",
    "cinfer.input.std": "255",
    "cinfer.output.kind": "logits",
}


def test_demo_says_what_is_on_its_photographs(cinfer):
    done = cinfer("run", DEMO, DATA / "dog.jpg", DATA / "coffee.jpg", "--json")
    assert done.status == 0
    dog, coffee = map(json.loads, done.lines)
    assert dog["image"].endswith("dog.jpg") and coffee["image"].endswith("coffee.jpg")
    assert (dog["classes"][0]["label"], coffee["classes"][0]["label"]) == ("German shepherd", "espresso")
    # what onnxruntime 1.32.0 gives without graph optimisations, 4 digits
    assert dog["classes"][0]["score"] == pytest.approx(0.9686, abs=1e-4)
    assert [c["index"] for c in dog["classes"]] == [235, 225, 227, 163, 273]
    assert coffee["classes"][0]["score"] == pytest.approx(0.9532, abs=1e-4)


def test_answer_for_people(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    done = cinfer("run", model, red, "--top", "2")
    share = math.e / (math.e + 2)
    assert done.lines == [f"  {share:.4f}  red (0)", f"  {(1 - share) / 2:.4f}  green (1)"]
    assert done.err == ("cinfer: classification: the model's metadata; fed 8x8 RGB NCHW, stretch bilinear, mean 0, "
                        "std 255\n")  # fmt: skip


def test_names_stand_over_the_answers_of_several_pictures(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), red, red, "--top", "1")
    assert done.lines[0] == done.lines[2] == str(red)
    assert done.lines[1].strip().endswith("red (0)")
    assert len(done.errors) == 2  # how it is read, once, and how fast


def test_a_jpeg_without_its_end_marker_is_run_with_a_warning(cinfer, tmp_path):
    path = tmp_path / "snapshot.jpg"
    Image.new("RGB", (40, 30), (255, 0, 0)).save(path, progressive=True, quality=95)
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), path, "--top", "1")
    assert done.status == 0 and done.lines[0].endswith("red (0)")
    assert done.errors[0] == f"cinfer: {path}: the JPEG has no end marker; all its pixels are there"
    assert len(done.errors) == 2                        # and the recipe
    path.write_bytes(whole[:len(whole) // 2])
    done = cinfer("run", tmp_path / "m.onnx", path)
    assert done.status == 2 and done.errors == [
        f"cinfer: {path}: the picture is truncated; is the file complete?"]


def test_flags_override_the_recipe(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    done = cinfer(
        "run", model, red, "--channels", "BGR", "--mean", "0,0,255", "--json", "--filter", "nearest"
    )
    # fed: blue, green, red = 0, 0, (255 - 255) / 255
    assert [c["score"] for c in json.loads(done.out)["classes"]] == pytest.approx([1 / 3] * 3)
    assert "as given: --channels, --filter, --mean" in done.err


def test_flags_may_stand_anywhere(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    expected = cinfer("run", model, red, "--top", "1").out
    assert (
        cinfer("run", "--top", "1", model, red).out == cinfer("run", model, "--top", "1", red).out == expected
    )


def test_labels_file_replaces_the_labels(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    (tmp_path / "labels.txt").write_text("rot\ngrün\r\nblau\n\n", encoding="utf-8")
    done = cinfer("run", model, red, "--labels", tmp_path / "labels.txt", "--json")
    assert [c["label"] for c in json.loads(done.out)["classes"]] == ["rot", "grün", "blau"]


@pytest.mark.parametrize(
    "content, words", [(b"a\nb\n", "2 labels for 3 classes"), (b"", "empty"), (b"\xff\xfe", "UTF-8")]
)
def test_labels_that_do_not_fit_are_refused(cinfer, tmp_path, red, content, words):
    (tmp_path / "labels.txt").write_bytes(content)
    done = cinfer("run", classifier(tmp_path / "m.onnx"), red, "--labels", tmp_path / "labels.txt")
    assert done.status == 2 and words in done.err and len(done.errors) == 1 and not done.out


def test_bad_picture_among_several_is_one_line_and_status_2(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 nothing more")
    done = cinfer("run", model, bad, red, tmp_path / "none.png", red, "--json")
    assert done.status == 2
    results = list(map(json.loads, done.lines))
    assert ["error" in r for r in results] == [True, False, True, False]
    assert [r["image"] for r in results] == [str(bad), str(red), str(tmp_path / "none.png"), str(red)]
    assert [line.split(":")[1].strip() for line in done.errors] == [
        str(bad), "classification", str(tmp_path / "none.png"), done.errors[3].removeprefix("cinfer: ").split(":")[0],
        "2 pictures could not be read"]
    assert done.errors[4].endswith(f"{bad}, {tmp_path}/none.png")


def test_single_bad_picture_is_exactly_one_line(cinfer, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    done = cinfer("run", classifier(tmp_path / "m.onnx"), tmp_path / "bad.png")
    assert (done.status, done.out, len(done.errors)) == (2, "", 1)
    assert done.err.startswith(f"cinfer: {tmp_path}/bad.png is no picture")


def test_model_of_no_known_task_shows_all_its_outputs(cinfer, tmp_path, red, monkeypatch):
    done = cinfer("run", halves(tmp_path / "m.onnx"), red)
    assert done.lines == [
        "picture  float32 1x3x32x32  min 0  mean 0.333333  max 1",
        "top      float32 1x3x1x1  min 0  mean 0.333333  max 1  [1 0 0]",
    ]
    assert done.err.startswith("cinfer: raw outputs: the shape of the input; fed multiple:32 ")
    assert "--task" not in done.err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert "--task says it" in cinfer("run", halves(tmp_path / "m.onnx"), red).err
    asked = cinfer("run", halves(tmp_path / "m.onnx"), red, "--task", "raw")
    assert asked.lines == done.lines and "--task says" not in asked.err     # who wants them so is told nothing


def test_save_holds_every_output(cinfer, tmp_path, red):
    model, blue = halves(tmp_path / "m.onnx"), tmp_path / "blue.png"
    Image.new("RGB", (2, 2), (0, 0, 255)).save(blue)
    assert cinfer("run", model, red, "--save", tmp_path / "out.npz").status == 0
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays) == ["picture", "top"]
        assert arrays["top"].reshape(-1).tolist() == [1, 0, 0] and arrays["picture"].shape == (1, 3, 32, 32)
    assert cinfer("run", model, red, blue, "--save", tmp_path / "out.npz").status == 0
    with np.load(tmp_path / "out.npz") as arrays:
        assert sorted(arrays) == ["0/picture", "0/top", "1/picture", "1/top"]
        assert arrays["1/top"].reshape(-1).tolist() == [0, 0, 1]


def test_image_model_writes_its_picture(cinfer, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    model = enlarger(tmp_path / "m.onnx")
    done = cinfer("run", model, tmp_path / "in.png", "-o", tmp_path / "out.png")
    assert done.status == 0 and len(done.lines) == 1
    assert done.lines[0].startswith(f"{tmp_path}/in.png: a picture of 14x10 pixels, ")
    assert done.lines[0].endswith(f" ms -> {tmp_path}/out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert np.array_equal(np.asarray(picture), pixels.repeat(2, 0).repeat(2, 1))
    done = cinfer("run", model, tmp_path / "in.png", "-o", tmp_path / "out.jpg", "--json")
    said = json.loads(done.out)
    assert said.pop("ms") > 0
    assert said == {"image": f"{tmp_path}/in.png", "task": "image", "width": 7, "height": 5,
                    "picture": {"width": 14, "height": 10}}
    with Image.open(tmp_path / "out.jpg") as picture:
        assert picture.format == "JPEG" and picture.size == (14, 10)


@pytest.mark.parametrize("flag, name, words", [
    ("-o", "none/out.png", "there is no folder"), ("-o", "out.xyz", "no picture format"),
    ("-o", ".", "that would overwrite what is read"),
    ("--save", "none/out.npz", "there is no folder"), ("--save", ".", "a .npz file")])  # fmt: skip
def test_unwritable_outputs_are_refused_before_anything_runs(cinfer, tmp_path, red, flag, name, words):
    done = cinfer("run", enlarger(tmp_path / "m.onnx"), red, flag, tmp_path / name)
    assert done.status == 2 and words in done.errors[-1] and not done.out


@pytest.mark.parametrize("source", ["list.txt", "rea*.png"])
def test_a_picture_of_a_list_or_pattern_is_not_written_over(cinfer, tmp_path, red, source):
    model = enlarger(tmp_path / "m.onnx")
    shutil.copy(red, tmp_path / "read.png")
    (tmp_path / "list.txt").write_text("read.png\n")
    before = (tmp_path / "read.png").read_bytes()
    for flag in ("-o", "--save"):
        done = cinfer("run", model, tmp_path / source, flag, tmp_path / "read.png")
        assert done.status == 2 and len(done.errors) == 1 and not done.out
    assert (tmp_path / "read.png").read_bytes() == before
    assert cinfer("run", model, tmp_path / source, "-o", tmp_path / "out.png").status == 0
    assert cinfer("run", model, tmp_path / source, "-o", tmp_path / "out.png").status == 0      # its own answer it may


def test_several_pictures_go_into_a_folder(cinfer, tmp_path, red):
    model = enlarger(tmp_path / "m.onnx")
    blue = tmp_path / "in" / "below" / "blue.png"
    blue.parent.mkdir(parents=True)
    Image.new("RGB", (2, 3), (0, 0, 255)).save(blue)
    shutil.copy(red, tmp_path / "in" / "red.png")
    done = cinfer("run", model, tmp_path / "in", "-r", "-o", tmp_path / "out.png")
    assert done.status == 2 and "there are several pictures; name a folder" in done.err and not done.out
    done = cinfer("run", model, tmp_path / "in", "-r", "-o", f"{tmp_path}/out/")
    assert done.status == 0
    with Image.open(tmp_path / "out" / "below" / "blue.png") as picture:
        assert picture.size == (4, 6)
    assert (tmp_path / "out" / "red.png").exists()
    (tmp_path / "out" / "red.png").unlink()
    done = cinfer("run", model, tmp_path / "in", "-r", "-o", f"{tmp_path}/out/", "--resume")
    assert len(done.lines) == 1 and done.lines[0].endswith("out/red.png")
    assert done.errors[-1] == "cinfer: 1 picture left out: already there"
    done = cinfer("run", model, tmp_path / "in", "-o", f"{tmp_path}/in/")
    assert done.status == 2 and "would overwrite what is read" in done.err


def test_folders_patterns_and_lists(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    folder = tmp_path / "some"
    folder.mkdir()
    for name in ("b.png", "a.PNG", ".hidden.png", "notes.md"):
        shutil.copy(red, folder / name)
    (tmp_path / "list.txt").write_text("some/b.png\n# a remark\n\nsome/a.PNG\n")

    def images(*sources):
        done = cinfer("run", model, *sources, "--json")
        return done.status, [json.loads(line)["image"].removeprefix(f"{tmp_path}/") for line in done.lines]

    assert images(folder) == (0, ["some/a.PNG", "some/b.png"])
    assert images(f"{folder}/*.png") == (0, ["some/b.png"])
    assert images(f"{tmp_path}/**/*.png")[1] == ["red.png", "some/b.png"]
    assert images(tmp_path / "list.txt") == (0, ["some/b.png", "some/a.PNG"])
    done = cinfer("run", model, f"{tmp_path}/none/*.png")
    assert done.status == 2 and done.errors == [f"cinfer: {tmp_path}/none/*.png: no file is called so"]
    (tmp_path / "empty").mkdir()
    done = cinfer("run", model, tmp_path / "empty")
    assert done.status == 2 and done.errors[0].endswith("holds no picture; -r looks below it too")


def test_expectation_is_the_exit_status(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    assert cinfer("run", model, red, "--expect", "red").status == 0
    assert cinfer("run", model, red, "--expect", "green").status == 1


def test_recipe_takes_any_word(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    by_flag = cinfer("run", model, red, "--mean", "7", "--json").out
    by_word = cinfer("run", model, red, "--recipe", "cinfer.input.mean=7", "--json").out
    assert json.loads(by_flag)["classes"] == json.loads(by_word)["classes"]
    done = cinfer("run", model, red, "--recipe", "input.mean")
    assert done.status == 2 and "right is KEY=TEXT" in done.err
    done = cinfer("run", model, red, "--recipe", "input.mean=x")
    assert done.status == 2 and done.err.startswith("cinfer: --recipe input.mean is 'x'; right is ")


def test_model_from_standard_input(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    with open(model, "rb") as file:
        process = start("run", "-", red, "--top", "1", stdin=file)
        assert process.stdout.read().endswith(b"red (0)\n") and process.wait() == 0
    process = start("run", "-", red, stdin=open(red, "rb"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2 and err.startswith(b"cinfer: standard input: this is no ONNX model")
    done = cinfer("run", "-", "-")
    assert done.errors[0].startswith("cinfer: the model and a picture cannot both come from standard")


def test_save_takes_arrays_only_by_their_name(cinfer, tmp_path, red):
    for name in ("out.txt", "out.npy"):
        done = cinfer("run", halves(tmp_path / "m.onnx"), red, "--save", name)
        assert done.status == 2 and done.err == (
            f"cinfer: --save {name}: all outputs go into a .npz file, a map of pixels such as depth into a .png or "
            ".tif; name it so\n")


def test_failed_run_leaves_the_old_file_and_no_other(cinfer, tmp_path):
    (tmp_path / "out.npz").write_text("old")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    model = halves(tmp_path / "m.onnx")
    before = sorted(p.name for p in tmp_path.iterdir())
    assert cinfer("run", model, tmp_path / "bad.png", "--save", tmp_path / "out.npz").status == 2
    assert (tmp_path / "out.npz").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_file_names_with_control_characters_stay_one_line(cinfer, tmp_path, red):
    odd = tmp_path / "a\nb\x1b[31m.png"
    done = cinfer("run", classifier(tmp_path / "m.onnx"), odd)
    assert len(done.errors) == 1 and "\x1b" not in done.err
    shutil.copy(red, odd)
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), odd, odd)
    assert done.status == 0 and "\x1b" not in done.out and len(done.lines) == 8


def test_size_that_the_model_does_not_take_is_refused(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), red, "--size", "9x8")
    assert done.status == 2 and "axis 2 is 9, the model takes 8" in done.err and len(done.errors) == 1


def test_a_size_that_the_network_cannot_take_says_what_may_help(cinfer, tmp_path):
    model, path = skipping(tmp_path / "m.onnx"), tmp_path / "odd.png"
    Image.new("RGB", (71, 65)).save(path)
    done = cinfer("run", model, path, "--size", "any")
    assert done.status == 2 and len(done.errors) == 1
    assert done.err.startswith(f"cinfer: {path}: m.onnx cannot take x 1x3x65x71: ")
    assert done.err.endswith("; --size multiple:32 may help\n")
    done = cinfer("run", model, path, "--task", "raw")
    assert done.status == 0 and done.lines[0].startswith("y  float32 1x6x64x64 ")
    done = cinfer("run", model, path, "--size", "65x71")
    assert done.status == 2 and done.err.endswith("; --size multiple:32 may help\n")


@pytest.mark.parametrize("shape", [(3, "h", "w"), (3, 4, 6), ("h", "w", 3)])
def test_takes_a_picture_without_batch(cinfer, tmp_path, red, shape):
    done = cinfer("run", without_batch(tmp_path / "m.onnx", shape), red, "--save", tmp_path / "out.npz")
    assert done.status == 0 and done.errors[0].endswith(
        f"fed {'4x6' if shape[1] == 4 else 'multiple:32'} RGB {'NCHW' if shape[0] == 3 else 'NHWC'}, "
        "stretch bilinear, mean 0, std 255")
    assert np.load(tmp_path / "out.npz")["top"] == 1


def test_rank_3_without_3_channels_is_no_picture(cinfer, tmp_path, red):
    done = cinfer("run", without_batch(tmp_path / "m.onnx", (1, 197, 64)), red)
    assert done.status == 2 and "or of rank 3 with 3 channels ('x' 1x197x64); use" in done.err


def test_classes_that_are_none_are_said_once(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    done = cinfer("run", model, red, red, "--classes", "redd")
    assert done.status == 2 and done.errors == ["cinfer: the model has no class 'redd'; do you mean red?"]


def test_numbers_of_pictures(cinfer, tmp_path, red):
    model = classifier(tmp_path / "m.onnx", STRETCHED)
    done = cinfer("run", model, red, tmp_path / "none.png")
    assert all(words in done.err for words in ("cinfer: 1 picture in ", " a second; each: ",
                                               "cinfer: 1 picture could not be read: "))


@pytest.mark.parametrize("flags, words", [
    (["--recipe", "input.resise=x"], "--recipe input.resise is no word of docs/metadata.md; do you mean input.resize?"),
    (["--recipe", "zzz=x"], "--recipe zzz is no word of docs/metadata.md"),
    (["--recipe", "labels=a"], "--recipe labels: labels are given by themselves, --labels FILE"),
    (["--task", "detecton"], "--task is 'detecton'; do you mean detection?"),
    (["--task", "qqqq"], "--task is 'qqqq'; the tasks are anomaly, classification, "),
])
def test_words_that_are_none_are_refused(cinfer, tmp_path, red, flags, words):
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), red, *flags)
    assert done.status == 2 and len(done.errors) == 1 and done.err.startswith(f"cinfer: {words}")
    assert cinfer("run", tmp_path / "m.onnx", red, "--task", "raw").lines[0].startswith("logits  float32 1x3")


def test_where_a_drawn_classification_went_is_said(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), red, "--top", "1", "-o", tmp_path / "out.png")
    assert done.status == 0 and done.lines[1] == f"{red} -> {tmp_path}/out.png"
    assert Image.open(tmp_path / "out.png").size == (6, 4)


def test_one_form_of_output_at_a_time(cinfer, tmp_path, red):
    done = cinfer("run", classifier(tmp_path / "m.onnx", STRETCHED), red, "--json", "--format", "coco")
    assert done.status == 2 and done.errors[0].startswith("cinfer: --format and --json both say")
