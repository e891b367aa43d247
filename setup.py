"""Package metadata; the tools are set up in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
VERSION = re.search(r'^__version__ = "([^"]+)"', (HERE / "oic_session_ext" / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

INSTALL_REQUIRES = [
    "oic>=1.7,<2",  # pyoidc itself: the provider that the mixins extend
    "pyjwkest>=1.4.4,<2",  # keys and JWKS in the form that pyoidc expects
    "pycryptodomex>=3.9",  # RSA keys as pyjwkest keeps them
    "cryptography>=42",  # RSA, EC, HKDF and AES-GCM; 4 to 56 times quicker than pyjwkest's own
    "joserfc>=1.0,<2",  # signs and verifies JWTs through cryptography
    "pydantic>=2.7,<3",  # settings with types and messages that name the key; comes with oic
    "aiohttp>=3.12,<4",  # the one HTTP client: many requests side by side, with a resolver of ours
    "yarl>=1.18,<2",  # URIs as aiohttp takes them; comes with it
    "idna>=3.7",  # session_state is computed over the origin that browsers send: host names in their A-label form
    "SQLAlchemy>=2.0,<3",  # the SQL store, in one dialect-neutral form
    "alembic>=1.13,<2",  # the SQL store's tables from one version of this package to the next
    "Jinja2>=3.1,<4",  # the pages, escaped unless said otherwise
    "CherryPy>=18.10,<19",  # the bundled server
    "Beaker>=1.13,<2",  # the login pages' own web session (docs/adr/0004-beakers-part.md)
    "ruamel.yaml>=0.18,<0.20",  # YAML 1.2 with line numbers; duplicate keys are errors
    "argon2-cffi>=23.1",  # password hashes of the users in the settings file
    "prometheus_client>=0.21",  # the metrics, in the form that Prometheus reads
    "click>=8.1,<9",  # the command line
    "publicsuffixlist>=1.0",  # which addresses browsers take for one site: the doctor tells who will not see its cookies
    "structlog>=24.1",  # log lines for people and, as JSON, for machines
]

POSTGRESQL = ["psycopg[binary]>=3.2,<4"]  # the driver of the PostgreSQL store
REDIS = ["redis>=8,<9"]  # the client of the Redis and Valkey store

EXAMPLES = [
    "requests>=2.31,<3",  # the HTTP client of the example RP
    "Authlib>=1.7,<2",  # the OAuth 2.0 client inside the example RP
    "PyJWT>=2.12,<3",  # validates Logout Tokens in the example RP, so that two libraries must agree on them
    "Flask>=3,<4",  # the framework of somebody's existing OP in examples/own_op
]

TEST = [
    *EXAMPLES,  # the examples are tested too
    *POSTGRESQL,
    *REDIS,
    "pytest>=8.2",
    "pytest-cov>=7",  # the first that leaves subprocesses to coverage itself
    "pytest-xdist>=3.6",  # the tests on every core
    "pytest-rerunfailures>=14",  # once more where browsers and processes are many (tests/conftest.py)
    "coverage>=7.10",  # `patch = subprocess`: the servers that tests start are measured too
    "ada-url>=1.15",  # reads URLs as browsers do: what our own reading is compared with
    "hypothesis>=6.100",  # properties of endpoints over inputs that nobody would think of
    "playwright>=1.45",  # drives the system's own browsers; downloads none
    "trustme>=1.2",  # a throwaway CA, for tests over TLS
    "gunicorn>=23",  # WSGI servers of other people, under which the OP must run too
    "granian>=2",
    "selectolax>=0.3.29",  # reads pages as browsers do, tags that do not balance included
    "setuptools>=70.1",  # builds the wheel whose contents are tested, without a network
]

DEV = [
    "ruff>=0.12",
    "mypy>=1.15",
    "types-requests>=2.31",
    "types-setuptools>=70",
    "codespell>=2.3",
    "nox>=2024.4",  # the same checks on every Python version
    "pip-audit>=2.7",  # known vulnerabilities of what is installed
    "pre-commit>=3.7",
]

if VERSION is None:
    raise SystemExit("oic_session_ext/__init__.py says no __version__")

setup(
    name="oic_session_ext",
    version=VERSION[1],
    description="OpenID Connect session management and logout for OpenID Providers made with pyoidc",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["oic_session_ext", "oic_session_ext.*"]),
    package_data={
        "oic_session_ext": ["py.typed"],
        "oic_session_ext.store.redis": ["lua/*.lua", "lua/parts/*.lua"],
        "oic_session_ext.pages": ["templates/*.html", "static/*", "locale/*.json"],
    },
    include_package_data=False,  # what is shipped is said above and nowhere else
    zip_safe=False,
    install_requires=INSTALL_REQUIRES,
    extras_require={"postgresql": POSTGRESQL, "redis": REDIS, "examples": EXAMPLES, "test": TEST, "dev": DEV},
    entry_points={"console_scripts": ["oic-session-ext=oic_session_ext.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Web Environment",
        "Framework :: CherryPy",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP :: Session",
        "Topic :: Security",
        "Topic :: System :: Systems Administration :: Authentication/Directory",
        "Typing :: Typed",
    ],
)
