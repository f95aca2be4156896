"""The commands of Poolproof: collection, statistics, reports, and the launcher behind ./poolproof."""
