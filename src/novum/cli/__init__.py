"""The terminal: one file per command group; each is loaded when it is asked for."""
