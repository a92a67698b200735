"""Servers for a while: a private PostgreSQL and a CouchDB, for deploy/quickstart and the tests.

Standard library only: quickstart runs on a machine that has no more than the build needs.
"""
