"""Writing, checking and testing tools."""
