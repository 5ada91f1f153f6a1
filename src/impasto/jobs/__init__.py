"""A job: one run that is checked and then executed, in this process or in a worker process.

The caller chooses the jobs and uses their results. This package imports :mod:`impasto.runs` and everything below.
"""
