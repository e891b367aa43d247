"""The YAML settings of the bundled server: the models, the loader and the reference."""
