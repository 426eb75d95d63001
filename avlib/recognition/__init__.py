"""TIM from its windows to its metrics: training, prediction, evaluation."""
