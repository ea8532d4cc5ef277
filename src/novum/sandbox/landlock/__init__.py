"""The backend for where namespaces are refused, as in an ordinary container: Landlock, seccomp and rlimits.

`backend` is ours. `zygote` imports the libraries and only forks. For each call it forks a `guard`, which
forks the `child`: that one shuts itself in and runs the job. The guard, trusted and out of the child's
reach, adds up what the call uses (`family`, `scratch`), counts its forks (`counter`), and when the child
has ended it ends whatever else the call has started.

All but `backend` use the standard library alone: they are loaded before isolation exists.
"""
