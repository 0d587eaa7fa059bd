"""Pictures in, answers out; keys, limits, metrics: what each path answers."""

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from program import DATA
from serving import CLASSES, application, ask, form, models, picture  # noqa: F401 (fixtures)
from small_models import write

HORSES = (DATA / "horses.jpg").read_bytes()


def test_objects_as_deepstack_says_them(application):  # noqa: F811
    import cinfer
    body, kind = form({"image": HORSES}, min_confidence="0.5", api_key="")
    right = cinfer.vision.read(application.models["objects"].session, HORSES, conf=.5).found
    for path in ("/v1/vision/detection", "/v1/vision/detection/", "/v1/vision/custom/objects"):
        done = ask(application, path, body, kind)
        assert done.status == 200 and done.data["success"] is True
        found = done.data["predictions"]
        assert [each["label"] for each in found] == [str(each) for each in right] and len(found) == 3
        for each, theirs in zip(found, right):
            places = [each[key] for key in ("x_min", "y_min", "x_max", "y_max")]
            assert places == [round(v) for v in theirs.box] and all(type(v) is int for v in places)
            assert each["confidence"] == pytest.approx(theirs.score)
        assert [each["confidence"] for each in found] == sorted((e["confidence"] for e in found), reverse=True)
    low = ask(application, "/v1/vision/detection", *form({"image": HORSES}, min_confidence="0.1")).data["predictions"]
    assert len(low) > 3 and min(each["confidence"] for each in low) < .4


def test_classes_as_deepstack_says_scenes(application):  # noqa: F811
    for path in ("/v1/vision/scene", "/v1/vision/scene/", "/v1/vision/custom/colours"):
        done = ask(application, path, *form({"image": picture((0, 51, 0))}))
        assert done.status == 200 and done.data["success"] and done.data["label"] == "b"
        assert done.data["confidence"] == pytest.approx(51 / 255)           # the mean of green
        assert [each["label"] for each in done.data["predictions"]][0] == "b"


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream"])
def test_a_body_may_be_the_picture_itself(application, kind):  # noqa: F811
    assert ask(application, "/v1/vision/scene", picture((0, 0, 255)), kind).data["label"] == "c"


def test_everything_is_told_and_drawn(application):  # noqa: F811
    done = ask(application, "/v1/read/objects", *form({"image": HORSES}, draw="1"))
    assert done.data["task"] == "detection" and done.data["objects"][0]["label"] == "horse"
    head, _, content = done.data["drawn"].partition(",")
    drawn, source = Image.open(io.BytesIO(base64.b64decode(content))), Image.open(io.BytesIO(HORSES))
    assert head == "data:image/jpeg;base64" and drawn.size == source.size
    assert np.abs(np.asarray(drawn, int) - np.asarray(source, int)).max() > 100
    plain = ask(application, "/v1/read", picture(), "image/png").data
    assert "drawn" not in plain and plain["classes"][0]["label"] == "a" and (plain["width"], plain["height"]) == (12, 8)
    assert "drawn" in ask(application, "/v1/read", picture(), "image/png", query="draw=1").data


def test_the_page_is_whole(application):  # noqa: F811
    done = ask(application, "/")
    assert done.status == 200 and done.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in done.headers["Content-Security-Policy"]
    assert not re.findall(rb"""(?:src|href)\s*=\s*["'](?!data:)|https?://""", done.body)     # nothing from elsewhere
    head = ask(application, "/", method="HEAD")
    assert head.body == b"" and head.headers["Content-Length"] == str(len(done.body))


def test_a_key_is_asked_for(models):  # noqa: F811
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], api_key="s\u00e9cret", threads=1)
    body, kind = form({"image": picture()}, api_key="s\u00e9cret")
    assert ask(app, "/v1/vision/scene", body, kind).status == 200
    plain = picture(), "image/png"
    assert ask(app, "/v1/vision/scene", *plain, authorization="Bearer s\u00e9cret").status == 200
    for more in ({}, {"authorization": "Bearer secret"}, {"authorization": "Basic s\u00e9cret"},
                 {"authorization": "Bearer "}):
        done = ask(app, "/v1/vision/scene", *plain, **more)
        assert done.status == 401 and done.data["success"] is False and "API key" in done.data["error"]
        assert done.headers["WWW-Authenticate"] == "Bearer"
    assert ask(app, "/v1/vision/scene", *form({"image": picture()}, api_key="no")).status == 401
    for path in ("/metrics", "/v2", "/v2/models", "/v2/models/colours", "/v2/models/none"):
        assert ask(app, path).status == 401 and ask(app, path, authorization="bearer s\u00e9cret").status != 401
    for path in ("/", "/v2/health/live", "/v2/health/ready"):
        assert ask(app, path).status == 200


@pytest.mark.parametrize("key", ["s\u00e9cret", "\u043a\u043b\u044e\u0447", "\U0001f511", "a b", "\u00c3\u00a9"])
def test_a_key_in_any_script_is_taken_wherever_it_is_sent(models, key):  # noqa: F811
    """A header holds bytes, which WSGI gives as letters of Latin-1; clients send keys in UTF-8."""
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], api_key=key, threads=1)
    sent = key.encode().decode("latin-1")
    assert ask(app, "/v2", authorization=f"Bearer {sent}").status == 200
    assert ask(app, "/v1/vision/scene", *form({"image": picture()}, api_key=key)).status == 200
    for wrong in (sent[:-1], sent + sent[-1], "?" * len(key), "?" * len(sent)):
        assert ask(app, "/v2", authorization=f"Bearer {wrong}").status == 401


@pytest.mark.parametrize("path, body, kind, status, words", [
    ("/v1/vision/scene", b"{}", "application/json", 415, "the content type is 'application/json'; right is a picture"),
    ("/v1/vision/scene", b"x", "", 415, "the content type is ''"),
    ("/v1/vision/scene", b"image=1", "application/x-www-form-urlencoded", 415, "x-www-form-urlencoded"),
    ("/v1/vision/scene", b"", "image/png", 400, "there is no picture"),
    ("/v1/vision/scene", b"no picture", "image/png", 400, "what was sent is no picture"),
    ("/v1/vision/scene", picture()[:50], "image/png", 400, "what was sent: the picture is"),
    ("/v1/vision/scene", *form({}, image=""), 400, "there is no picture"),
    ("/v1/vision/scene", *form({}, other="1"), 400, "there is no picture"),
    ("/v1/vision/scene", *form({"image": picture()}, min_confidence="2"), 400, "min_confidence is a number"),
    ("/v1/vision/scene", *form({"image": picture()}, min_confidence="nan"), 400, "min_confidence is a number"),
    ("/v1/vision/detection", *form({"image": b"GIF89a"}), 400, "what was sent"),
    ("/v1/vision/custom/none", picture(), "image/png", 404, "no model of this name; there are 'colours', 'tensors'"),
    ("/v1/vision/custom/tensors", picture(), "image/png", 400, "model 'tensors' takes tensors only"),
    ("/v1/read/tensors", picture(), "image/png", 400, "model 'tensors' takes tensors only"),
    ("/v1/vision/face", picture(), "image/png", 404, "there is nothing at this path"),
    ("/v1/../etc/passwd", None, "", 404, "there is nothing at this path"),
    ("/..%2f..%2fetc/passwd", None, "", 404, "there is nothing at this path"),
    ("/v2/models/../../x/ready", None, "", 404, "there is nothing at this path"),
    ("/index.html", None, "", 404, "there is nothing at this path"),
    ("", None, "", 404, "there is nothing at this path"),
    ("/\u00ff\x00\n", None, "", 404, "there is nothing at this path"),
    ("/v1/vision/scene", None, "", 405, "this path takes POST"),
    ("/metrics", b"", "", 405, "this path takes GET"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(application, path, body, kind, status, words):  # noqa: F811
    done = ask(application, path, body, kind)
    assert (done.status, done.data["success"]) == (status, False) and words in done.data["error"]


def test_limits_are_kept(models):  # noqa: F811
    from cinfer.serve import Application, Limits
    app = Application([str(models / "colours.onnx")], limits=Limits(body=20_000, pixels=1000), threads=1)
    assert ask(app, "/v1/vision/scene", picture(size=(40, 25)), "image/png").status == 200
    done = ask(app, "/v1/vision/scene", picture(size=(41, 25)), "image/png")
    assert done.status == 413 and "41x25 pixels; the limit of this server is 0.001 million" in done.data["error"]
    assert ask(app, "/v1/vision/scene", b"x" * 20_001, "image/png").status == 413
    assert ask(app, "/v1/vision/scene", b"x" * 20_001, "image/png", length="").status == 413      # no length was said
    assert ask(app, "/v1/vision/scene", b"x" * 10, "image/png", length="12").status == 400        # the client went away
    assert ask(app, "/v1/vision/scene", b"x" * 10, "image/png", length="-3").status == 400
    assert ask(app, "/v1/vision/scene", picture(), "image/png", content_encoding="gzip").status == 415
    assert ask(app, "/v1/vision/scene", picture(), "image/png", query="a=1&" * 200).status == 400


def test_a_picture_is_refused_before_it_is_unpacked(models):  # noqa: F811
    """5 KB of PNG that say 60 million pixels of one colour."""
    import tracemalloc

    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], threads=1)
    file = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG", optimize=True)
    tracemalloc.start()
    done = ask(app, "/v1/vision/scene", file.getvalue(), "image/png")
    assert done.status == 413 and "10000x6000 pixels" in done.data["error"]
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_request_has_its_time(models, monkeypatch):  # noqa: F811
    import time

    from cinfer.serve import Application, Limits
    app = Application([str(models / "colours.onnx")], limits=Limits(seconds=.05), threads=1)
    with app.turns.turn(time.monotonic() + 1):                  # another one is at work
        done = ask(app, "/v1/vision/scene", picture(), "image/png")
        assert app.turns.busy == 1 and app.turns.waiting == 0
    assert done.status == 503 and "the server is busy" in done.data["error"] and done.headers["Retry-After"] == "1"
    session = app.models["colours"].session
    run = session._run_until
    monkeypatch.setattr(session, "_run_until", lambda *args, timeout: run(*args, timeout=1e-9))      # in its middle
    assert ask(app, "/v1/vision/scene", picture(), "image/png").status == 503


def test_a_defect_is_no_silence(models, monkeypatch, capsys):  # noqa: F811
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], threads=1)
    monkeypatch.setattr(app.models["colours"].session, "_run_until", lambda *_, **__: 1 / 0)
    done = ask(app, "/v1/vision/scene", picture(), "image/png")
    assert done.status == 500 and "ZeroDivision" not in done.data["error"] and app.turns.busy == 0
    assert capsys.readouterr().err == "cinfer: internal error, please report it: ZeroDivisionError: division by zero\n"


def test_requests_share_the_threads():
    import time

    from cinfer.serve.turns import Turns
    turns, soon = Turns(4), time.monotonic() + 5
    with turns.turn(soon):
        assert turns.share().threads == 4
        with turns.turn(soon):
            assert turns.share().threads == 2
            with turns.turn(soon), turns.turn(soon):
                assert turns.share().threads == 1
    assert turns.busy == 0 and turns.share().threads == 4


def test_who_came_first_is_first():
    import threading
    import time

    from cinfer.serve.replies import Refused
    from cinfer.serve.turns import Turns
    turns, order = Turns(1), []

    def request(number: int, seconds: float = 20) -> None:
        try:
            with turns.turn(time.monotonic() + seconds):
                order.append(number)
        except Refused:
            order.append(-number)
    with turns.turn(time.monotonic() + 5):
        threads = []
        for number in range(1, 9):
            threads.append(threading.Thread(target=request, args=(number, .01 if number == 3 else 20)))
            threads[-1].start()
            while turns.waiting + len(order) < number:
                time.sleep(.001)
        threads[2].join()
    for each in threads:
        each.join()
    assert order == [-3, 1, 2, 4, 5, 6, 7, 8] and (turns.busy, turns.waiting) == (0, 0)


def test_prometheus_reads_the_metrics(models):  # noqa: F811
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], threads=1)
    for body, times in ((picture(), 3), (b"no", 2)):
        for _ in range(times):
            ask(app, "/v1/vision/scene", body, "image/png")
    ask(app, "/v1/\"}nothing\n")
    text = ask(app, "/metrics").body.decode()
    lines = text.splitlines()
    for line in lines:
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z]+=\"[^\"\n]*\",?)+\})? [\d.e+-]+", line), line
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert values['cinfer_requests_total{route="/v1/vision/scene",status="200"}'] == "3"
    assert values['cinfer_requests_total{route="/v1/vision/scene",status="400"}'] == "2"
    assert values['cinfer_errors_total{route="/v1/vision/scene"}'] == "2"
    assert values['cinfer_requests_total{route="other",status="404"}'] == "1"
    begin = 'cinfer_request_seconds_bucket{route="/v1'
    buckets = [int(value) for key, value in values.items() if key.startswith(begin)]
    assert buckets == sorted(buckets) and buckets[-1] == 5
    assert values['cinfer_request_seconds_count{route="/v1/vision/scene"}'] == "5"
    assert int(values["process_resident_memory_bytes"]) > 10_000_000
    declared = re.findall(r"# TYPE (\S+) (\S+)", text)
    assert len(declared) == len(set(declared)) and ("cinfer_request_seconds", "histogram") in declared


def test_what_is_served(application, models):  # noqa: F811
    from cinfer.errors import InputError
    from cinfer.serve import Application
    from cinfer.serve.models import named
    found = ask(application, "/v2/models").data["models"]
    assert [(each["name"], each["takes"]) for each in found] == [
        ("colours", "pictures and tensors"), ("tensors", "tensors"), ("objects", "pictures and tensors")]
    assert found[1]["note"] and not found[0]["note"]
    assert "tensors only, for" in application.models["tensors"].said()
    door = Application({"door": application.models["colours"].session}, threads=1)      # a session is as good as a file
    assert ask(door, "/v1/vision/custom/door", picture(), "image/png").data["label"] == "a"
    assert named("a/b.c.onnx") == ("b.c", "a/b.c.onnx") and named("n=a/b.onnx") == ("n", "a/b.onnx")
    path = str(models / "colours.onnx")
    for wrong in ([path, path], [f"a/b={path}"], [], {"": path}):
        with pytest.raises(InputError):
            Application(wrong, threads=1)
    with pytest.raises(InputError):                     # flags say how a picture is fed: then it has to be
        Application([str(models / "halves.onnx")], threads=1, labels=["x"])


def test_outputs_that_nothing_reads_as_the_task_are_told_as_such(models):  # noqa: F811
    from cinfer.serve import Application
    app = Application([str(models / "colours.onnx")], threads=1, flags={"task": ("detection", "--task")})
    said = "raw outputs, for nothing reads them as detection"
    assert app.models["colours"].said().startswith(f"colours: {said}: as given: --task")
    assert ask(app, "/v2/models").data["models"][0]["task"] is None
    done = ask(app, "/v1/vision/custom/colours", picture(), "image/png")
    assert (done.status, done.data["error"]) == (400, f"model 'colours' finds no objects, it gives {said}")
    assert ask(app, "/v1/vision/detection", picture(), "image/png").status == 404


def test_a_score_that_is_no_number_is_not_sure():
    from cinfer.serve.pictures import predictions, sure
    from cinfer.vision.answers.objects import Object, Objects
    assert [sure(each) for each in (None, np.inf, .5, -np.inf)] == [1, 1, .5, 0]
    found = Objects([Object(1, "a", score, (0, 0, 1, 1)) for score in (np.nan, .5)])
    assert [each["confidence"] for each in predictions(found)] == [.5]


def test_classes_without_numbers_are_no_scene(tmp_path):
    from onnx import TensorProto, helper

    from cinfer.serve import Application
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["m"]), helper.make_node("Flatten", ["m"], ["f"]),
             helper.make_node("Div", ["f", "f"], ["y"])]
    path = write(tmp_path / "m.onnx", nodes, {"x": (TensorProto.FLOAT, (1, 3, 8, 8))},
                 {"y": (TensorProto.FLOAT, (1, 3))}, CLASSES | {"cinfer.output.kind": "multilabel"})
    app = Application([path], threads=1)
    black = ask(app, "/v1/vision/scene", picture((0, 0, 0)), "image/png").data            # 0 / 0
    assert (black["label"], black["confidence"], black["predictions"]) == ("", 0.0, [])
    red = ask(app, "/v1/vision/scene", picture((255, 0, 0)), "image/png").data
    assert [each["label"] for each in red["predictions"]] == ["a"]


def test_answers_are_json_without_nan():
    from cinfer.serve.replies import of
    with pytest.raises(ValueError):
        of({"x": float("nan")})
    assert json.loads(of({"x": "\u00e9\n"}).body) == {"x": "\u00e9\n"}
