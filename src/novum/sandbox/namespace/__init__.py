"""The embedded backend: own namespaces, Landlock, seccomp and rlimits around a warm interpreter.

`zygote` leaves every namespace of the host and builds a read-only root (`root`). `child` takes
namespaces and scratch of its own for one call and gives up every privilege.

Both, with `novum.sandbox.inside.guest`, `linux`, `landlock_rules` and `seccomp`, use the standard library
alone: they are loaded before isolation exists, so they must be small, quick and free of threads.
"""
