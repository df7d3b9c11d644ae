"""`python -m headrace`: the same as `headrace`."""

from headrace.cli.main import run

if __name__ == "__main__":
    run()
