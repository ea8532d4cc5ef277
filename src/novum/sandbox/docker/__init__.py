"""The Docker sandbox: every call in a container of its own, made ready before it is asked for.

Who is who, from the outside in:

- `sandbox` and `pool` run in our process. They keep containers ready, hand over single calls, watch
  them, and end them; `engine` is the one place that speaks to the Docker engine.
- `init` is the first process of a container, trusted and with our code only: it imports the profile's
  modules, forks the one call, relays what that says, and kills whatever is left of it.
- The call itself is `novum.sandbox.guest`, as in every other backend.

What a container is allowed is in `hardening`; what passes between `container` and `init`, in `frames`.
"""
