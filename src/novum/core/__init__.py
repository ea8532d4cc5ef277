"""The language of the package: values only, no I/O, no framework."""
