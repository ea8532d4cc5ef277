"""Where proposals come from: one generator for each kind of space."""
