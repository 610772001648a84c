"""``python -m sluice.cli`` is ``sluice``."""

from sluice.cli import main

if __name__ == "__main__":
    main()
