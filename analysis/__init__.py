"""The commands of Poolproof: building, testing, collection, statistics and reports."""
