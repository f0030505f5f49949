"""Writers of results in other programs' formats."""
