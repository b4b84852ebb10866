"""What turns an event into steps: the plain mind (grammar, no model), later a model."""
