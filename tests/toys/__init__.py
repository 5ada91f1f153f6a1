"""One toy of each kind, copied to where docs/architecture.md says (tests/test_where_to_add.py)."""
