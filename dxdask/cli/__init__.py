"""The command line: DIALS's step names, one store as the argument, parameters as `a.b.c=value`."""
