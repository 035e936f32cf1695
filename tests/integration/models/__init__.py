"""What is remembered, against a real PostgreSQL."""
