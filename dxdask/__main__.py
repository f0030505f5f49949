"""`python -m dxdask` is the command `dxdask`."""

from dxdask.cli.main import main

if __name__ == "__main__":
    main()
