"""The embedded backend: own namespaces, Landlock, seccomp and rlimits around a warm interpreter.

Who is who, from the outside in:

- `backend` and `broker` run in our process. They start zygotes, hand over single calls, watch them,
  and end them. They never fork.
- `zygote` is a fresh interpreter with an empty environment. It leaves every namespace of the host,
  builds a read-only root (`root`), imports the profile's modules, and then only forks.
- `child` is one such fork: it takes its own namespaces and scratch, gives up every privilege
  (`landlock`, `seccomp`, rlimits), waits for its one call, answers, and dies.

`zygote`, `root`, `child`, `landlock`, `seccomp` and `linux` use the standard library alone: they are
loaded before isolation exists, so they must be small, quick and free of threads.
"""
