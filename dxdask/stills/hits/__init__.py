"""Hit finding: which events show a crystal."""
