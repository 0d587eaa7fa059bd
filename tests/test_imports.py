"""Families are imported when asked for, by whichever thread comes first."""
import subprocess
import sys
import textwrap

import pytest

CAST = """
import sys, numpy as np, cinfer
from cinfer.ops import registry
from cinfer.model.graph import Node
node = Node("Cast", ["x"], ["y"], {"to": 7}, "", 17)
def check():
    operator = registry.lookup(node)
    registry.check(operator, node)
    assert operator.since == 6, operator.since
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(CAST + code)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_thread_waits_for_the_family_that_another_one_imports():
    """The import is held in its middle, when the oldest meaning is in the table alone."""
    run("""
    import threading
    from cinfer.ops import registry
    held, go = threading.Event(), threading.Event()
    add = registry.add
    def slowly(operator):
        add(operator)
        if operator.name == "Cast" and not held.is_set():
            held.set()
            go.wait(20)
    registry.add = slowly
    first = threading.Thread(target=check)
    first.start()
    held.wait(20)
    threading.Timer(0.2, go.set).start()
    check()
    first.join()
    """)


def test_an_import_that_was_interrupted_begins_again():
    run("""
    from cinfer.ops import registry
    add = registry.add
    def once(operator):
        add(operator)
        if operator.name == "Cast":
            registry.add = add
            raise KeyboardInterrupt
    registry.add = once
    try:
        check()
        raise SystemExit("it was not interrupted")
    except KeyboardInterrupt:
        check()
    """)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_a_fork_waits_for_imports_to_end():
    run("""
    import os, threading
    from cinfer.ops import registry
    held = threading.Event()
    add = registry.add
    def slowly(operator):
        add(operator)
        if operator.name == "Cast" and not held.is_set():
            held.set()
            threading.Event().wait(0.3)
    registry.add = slowly
    first = threading.Thread(target=check)
    first.start()
    held.wait(20)
    child = os.fork()
    if not child:
        check()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    first.join()
    """)
