"""`python -m cinfer`, and the program `cinfer`."""
import sys

from cinfer.cli import main

if __name__ == "__main__":
    sys.exit(main())
