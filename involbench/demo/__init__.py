"""A page in the browser that classifies images with one or two trained networks."""
