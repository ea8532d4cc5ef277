"""The embedded planner: generators propose, a surrogate predicts, expected gain per cost ranks."""
