"""What happens: Celery tasks, thin shells around uptake and models."""
