"""One thin script a stage of the pipeline: parameters and files in, files out."""
