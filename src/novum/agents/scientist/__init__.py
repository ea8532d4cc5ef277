"""The planner that asks a language model: it proposes, code judges, and the optimiser stands by."""
