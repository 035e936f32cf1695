"""What happens: each task against a real PostgreSQL, every one of them run twice."""
