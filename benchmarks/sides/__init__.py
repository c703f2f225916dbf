"""One program for each framework: it does its work in a process of its own and says how long it took."""
