"""``python -m arms``: the command line."""

from arms.cli import main

if __name__ == "__main__":
    main()
