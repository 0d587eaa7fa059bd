"""`python -m cinfer`, and the program `cinfer`."""
import signal
import sys

AGAIN = 1.0             # seconds


def main() -> int:
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGINT, interrupt)
        from cinfer.cli import main
        return main()
    except KeyboardInterrupt:                           # while modules are loaded
        return 130


def interrupt(number, frame):
    """Ctrl-C: KeyboardInterrupt, and again as long as the program goes on, for Python drops what is raised
    while it frees an object, which it does in between at any time."""
    interrupt.came = True
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
