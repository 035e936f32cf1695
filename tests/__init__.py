"""unit (no I/O), integration (real PostgreSQL and Valkey), acceptance (real processes), browser."""
