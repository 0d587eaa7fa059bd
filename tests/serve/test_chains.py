"""Models one after the other behind a port, by the words of `cinfer run`."""

import copy
import time
from types import SimpleNamespace

import numpy as np
import pytest
from program import cinfer  # noqa: F401 (a fixture)
from serving import ask, form, models, picture, running  # noqa: F401 (fixtures)
from test_text_chain import LINES, WORDS, page_of, small

from cinfer.vision.families.view import Options


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """What cinfer serve takes: a detector of lines and a recogniser."""
    detector, recogniser, _ = small(tmp_path_factory.mktemp("chain"))
    return f"{detector}+{recogniser}"


def page() -> bytes:
    import io
    file = io.BytesIO()
    page_of(LINES).save(file, "PNG")
    return file.getvalue()


def test_a_page_is_read(chain, models):  # noqa: F811
    with running(f"page={chain}", models / "colours.onnx", "--threads", "2") as server:
        assert server.said[0].startswith("cinfer: page: text: lines by ")
        done = server.ask("/v1/vision/custom/page", *form({"image": page()}))
        found = done.data["predictions"]
        assert done.status == 200 and sorted(each["label"] for each in found) == sorted(WORDS)
        for each in found:
            x, y, _ = next(line for line in LINES if line[2] == each["label"])
            assert abs(each["x_min"] - x) < 20 and abs(each["y_min"] - y) < 20 and each["y_max"] > y + 20
        assert [each["text"] for each in server.ask("/v1/read", page(), "image/png").data["text"]] == WORDS
        sure = server.ask("/v1/vision/custom/page", *form({"image": page()}, min_confidence="1")).data["predictions"]
        assert len(sure) < len(found) and all(each["confidence"] == 1 for each in sure)
        assert server.ask("/v2/models").data["models"][0] == {
            "name": "page", "task": "text", "takes": "pictures", "note": ""}
        assert server.ask("/v1/vision/custom/list", b"").data["models"] == ["page", "colours"]
        assert server.ask("/v2/models/page").data["inputs"] == []
        done = server.ask("/v2/models/page/infer", b'{"inputs": []}', "application/json")
        assert done.status == 400 and "takes pictures only" in done.data["error"]
        assert server.ask("/v1/vision/detection", page(), "image/png").status == 404       # it finds text, no objects


def test_all_of_a_chain_have_the_time_and_threads_of_one(chain, monkeypatch):
    """The second network has what the first one left, and is ended as any run is."""
    from cinfer.serve import Application, Limits
    app = Application([f"page={chain}"], threads=2, limits=Limits(seconds=30))
    runs = []
    for session in app.models["page"]._sessions:
        run = session._run_until

        def recorded(stop, names, feeds, timeout, run=run):
            runs.append((stop.threads, timeout))
            return run(stop, names, feeds, timeout)
        monkeypatch.setattr(session, "_run_until", recorded)
    with app.turns.turn(time.monotonic() + 60):                 # another request is at work
        assert ask(app, "/v1/read", page(), "image/png").status == 200
    assert len(runs) >= 2 and all(threads == 1 for threads, _ in runs)
    times = [timeout for _, timeout in runs]
    assert times == sorted(times, reverse=True) and 0 < times[-1] < times[0] <= 30
    app.limits = Limits(seconds=.3)
    detect = app.models["page"]._sessions[0]
    run_of_first = detect._run_until

    def slow(stop, names, feeds, timeout):
        found = run_of_first(stop, names, feeds, timeout)
        time.sleep(.4)
        return found
    monkeypatch.setattr(detect, "_run_until", slow)
    assert ask(app, "/v1/read", page(), "image/png").status == 503


def test_the_least_score_of_one_request_is_not_that_of_others():
    from cinfer.vision.pairs import Pair
    first = SimpleNamespace(options=Options(), recipe=None, words=None)
    pair = Pair(first, SimpleNamespace(words=SimpleNamespace(task="embedding")))
    one = copy.copy(pair)
    one.options = one.options._replace(conf=.9)
    assert one.options.conf == .9 and pair.options.conf is None and first.options.conf is None


def test_names_of_chains(chain):
    from cinfer.serve.models import named
    assert named(chain) == ("det+rec", chain) and named(f"a={chain}") == ("a", chain)


def test_what_is_no_chain_is_one_line(cinfer, models):  # noqa: F811
    pytest.importorskip("waitress")
    path = models / "colours.onnx"
    for chain, words in ((f"{path}+{path}", "these models are classification + classification; right is"),
                         (f"{path}+none.onnx", "none.onnx: no such file"),
                         (f"{path}+", "a model is missing beside a +")):
        done = cinfer("serve", chain, "--port", "0")
        assert done.status == 2 and len(done.errors) == 1 and words in done.err, done.err


def test_frigates_floats_are_for_one_model():
    """A chain prepares its pictures itself."""
    pytest.importorskip("zmq")
    from test_frigate import message

    from cinfer.serve import Limits
    from cinfer.serve.frigate import Detector
    from cinfer.serve.turns import Turns
    served = SimpleNamespace(reads=lambda conf, whole: SimpleNamespace())
    app = SimpleNamespace(model_of=lambda *_: served, limits=Limits(), turns=Turns(1))
    with Detector(app, "inproc://chain") as detector:
        status, answer = detector.answered(message(np.zeros((1, 3, 8, 8), np.float32)))
    assert status == 400 and b"input_dtype int" in answer[0] and app.turns.busy == 0
