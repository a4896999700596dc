"""Models in processes of their own, one for each core.

A forward pass is a thousand small operations. In a thread of the server each of them would have to get the
interpreter back from the threads that answer callers, and those from it: at ten times the load that costs a third of
the machine (docs/benchmarks.md, Speed). Here the server's process holds no model, and each core's process nothing else.

    server ── socket ── hand 0 ┐
           ── socket ── hand 1 ├ forked from the keeper once it has loaded: they share the weights' memory
           ── socket ── tagger │
           ── control ─ keeper ┘   which then waits for the first of them to die

messages.py: what is said on the sockets. child.py: the keeper and those it forks. host.py: the server's side.
"""
