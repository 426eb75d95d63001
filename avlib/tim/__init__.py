"""TIM: recognition of queried time intervals, from its windows to its metrics."""
