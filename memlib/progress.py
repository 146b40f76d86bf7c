"""How long work tells how far it is."""

from collections.abc import Callable

# (done, total), in whatever is counted, perhaps a fraction; an exception it raises stops the work
Progress = Callable[[float, float], object]
