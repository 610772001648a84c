"""Several workers as one: started together, ended together, with one endpoint for the metrics and the health of all."""
