"""Tools that work on what other tools gave."""
