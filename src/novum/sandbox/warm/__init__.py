"""What the backends share that fork each call from a warm, isolated interpreter.

Who is who, from the outside in:

- `sandbox` and `broker` run in our process. They start zygotes, hand over single calls, watch them,
  and end them. They never fork.
- A zygote is a fresh interpreter with an empty environment. It builds what isolation it shares with
  its calls, imports the profile's modules, and then only forks.
- A child is one such fork: it gives up every right, waits for its one call, answers, and dies.

`namespace` and `landlock` say what the isolation of zygote and child is made of.
"""
