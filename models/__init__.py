"""What we remember: tables, writes with their guarantees, queries, migrations."""
