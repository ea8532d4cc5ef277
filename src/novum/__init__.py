"""novum: autonomous scientific discovery that a working scientist can trust."""
