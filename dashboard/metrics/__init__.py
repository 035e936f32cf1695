"""`/metrics`: figures for Prometheus, of Uptake itself and of the rollouts it watches."""
