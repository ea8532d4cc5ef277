"""Tools of others: found without running them, described in a sandbox, run when a person trusts them."""
