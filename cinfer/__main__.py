"""`python -m cinfer`, and the program `cinfer`."""
import gc
import signal
import sys

AGAIN = 1.0             # seconds
GARBAGE = 50_000        # objects that are made before Python looks for cycles: modules are many objects, and none


def main() -> int:
    gc.set_threshold(GARBAGE)
    try:
        if hasattr(signal, "setitimer"):
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    signal.signal(number, interrupt)
        from cinfer.cli import main
        status = main()
    except KeyboardInterrupt:                           # while modules are loaded
        status = 130
    while interrupt.came:                               # while the interpreter ends, what is set here would kill it
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
            break
        except KeyboardInterrupt:                       # once more, just before, which has set it again
            pass
    return 143 if status == 130 and interrupt.came == signal.SIGTERM else status     # as a shell counts: 128 + 15


def interrupt(number, frame):
    """Ctrl-C, and SIGTERM, which leaves no more behind: KeyboardInterrupt, and again as long as the program goes on,
    for Python drops what is raised while it frees an object, which it does in between at any time."""
    if number != signal.SIGALRM:
        interrupt.came = number
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise KeyboardInterrupt


interrupt.came = 0


if __name__ == "__main__":
    sys.exit(main())
