"""The bundled OP: one YAML file to a running CherryPy server with login, consent and pages.

CherryPy, Beaker and the YAML reader are imported in this package alone, so that a deployer of the mixin needs none of them.
"""
