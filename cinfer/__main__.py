"""`python -m cinfer`, and the program `cinfer`."""
import sys


def main() -> int:
    try:
        from cinfer.cli import main
        return main()
    except KeyboardInterrupt:                           # while modules are loaded
        return 130


if __name__ == "__main__":
    sys.exit(main())
