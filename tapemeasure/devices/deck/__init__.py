"""A virtual tape deck on an audio server: machine, transport, faults on command, and its own truth."""
