"""The command line: one module for each group of commands. Heavy imports are deferred until a command runs."""
