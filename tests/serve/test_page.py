"""The page in a real browser: `pytest -m browser`. CINFER_SHOTS names a folder for what it looks like."""

import os

import pytest
from browser import opened
from program import DATA
from serving import models, running  # noqa: F401 (fixtures)

pytestmark = pytest.mark.browser
TEXT = "document.body.innerText"


@pytest.fixture
def page(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def go(page, server) -> None:
    page.do("Page.navigate", url=server.url)
    page.until("document.readyState === 'complete' && document.getElementById('drop')")


def shot(page, name: str) -> None:
    folder = os.environ.get("CINFER_SHOTS")
    if folder:
        with open(os.path.join(folder, f"{name}.png"), "wb") as file:
            file.write(page.screenshot())


def complaints(page) -> list[dict]:
    """What the browser has to say of errors in the page, and of requests to other servers."""
    return [each for each in page.events if each["method"] == "Runtime.exceptionThrown"
            or each["method"] == "Log.entryAdded" and each["params"]["entry"]["source"] in ("security", "javascript")]


def test_a_picture_is_dropped_and_its_answer_drawn(page, models):  # noqa: F811
    served = DATA / "nanodet_g_416_w8.onnx", DATA / "efficientnet_lite0_w8.onnx", f"tensors={models}/halves.onnx"
    with running(*served) as server:
        go(page, server)
        page.until("document.querySelectorAll('#model option').length === 2")      # not the one of tensors
        shot(page, "empty")
        page.drop(DATA / "horses.jpg")
        page.until("document.getElementById('picture').naturalWidth > 0 && !document.getElementById('answer').hidden")
        text = page.evaluate(TEXT)
        assert "horse 0.69" in text and "detection, 1024 × 664" in text, text
        assert page.evaluate("document.getElementById('picture').naturalWidth") == 1024
        assert "horse" in page.evaluate("document.getElementById('picture').alt")
        shot(page, "objects")
        # another model looks at the same picture
        page.evaluate("model.selectedIndex = 1; model.dispatchEvent(new Event('change'))")
        page.until(f"{TEXT}.includes('classification')")
        shot(page, "classes")
        # an error is said, and goes away with the next answer
        page.drop(DATA / "README.md")
        page.until("document.getElementById('error').textContent.includes('what was sent is no picture')")
        assert page.evaluate("document.getElementById('answer').hidden") is True
        shot(page, "error")
        page.drop(DATA / "dog.jpg")
        page.until(f"{TEXT}.includes('German shepherd')")
        assert page.evaluate("document.getElementById('error').textContent") == ""
        assert page.evaluate("document.getElementById('key').checkVisibility()") is False      # none is asked for
        assert not complaints(page)
        asked = [each["params"] for each in page.events if each["method"] == "Network.requestWillBeSent"]
        assert all(each["request"]["url"].startswith((server.url, "data:", "blob:")) for each in asked)
        server.process.kill()
        server.process.wait(10)
        page.drop(DATA / "dog.jpg")
        page.until("document.getElementById('error').textContent.includes('does not answer')")


def test_by_keyboard_and_with_a_key(page, models):  # noqa: F811
    with running(models / "colours.onnx", "--api-key", "secret") as server:
        go(page, server)
        page.until("document.getElementById('error').textContent.includes('API key is missing')")
        page.press("Tab", 9)                            # the field for the key is there now, and the first
        page.until("document.activeElement.id === 'key'")
        page.do("Input.insertText", text="secret")
        page.press("Tab", 9)
        page.until("document.activeElement.id === 'file' && document.getElementById('error').textContent === ''")
        shot(page, "keyboard")
        page.do("Page.setInterceptFileChooserDialog", enabled=True)
        page.press("Enter", 13, "\r")
        page.until("true")
        chosen = [each for each in page.events if each["method"] == "Page.fileChooserOpened"]
        assert len(chosen) == 1
        node = chosen[0]["params"]["backendNodeId"]
        page.do("DOM.setFileInputFiles", files=[str(DATA / "dog.jpg")], backendNodeId=node)
        page.until(f"{TEXT}.includes('classification')")
        assert not complaints(page)
