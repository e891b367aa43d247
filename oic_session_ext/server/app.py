"""From settings to a server that is ready to be started: one readable way from the YAML file to CherryPy's tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cherrypy
from cherrypy._cprequest import Request
from oic.utils.http_util import Response

from ..clock import Clock, system_clock
from ..crypto.secret_ring import SecretRing
from ..errors import ProtocolError
from ..provider import Route, WebRequest
from ..sessions.sweeper import Sweeper
from ..store import open_store
from ..store.base import Store
from .config.settings import ServerSettings
from .http.client_address import with_client_address
from .http.hsts import with_strict_transport_security
from .login.web_session import web_session_middleware
from .op import BundledProvider
from .operations.background import Background
from .operations.listeners import hooks_of
from .operations.metrics import Metrics
from .operations.shared_secrets import SharedSecrets
from .routes import protocol_routes
from .site import LastResort, Site, take_no_parameters

WsgiApplication = Callable[..., Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Server:
    """The parts of a server that is ready to be started: `application` is the whole of it as WSGI."""

    op: BundledProvider
    store: Store
    application: WsgiApplication
    sweeper: Sweeper
    background: Background
    shared: SharedSecrets


def build_server(settings: ServerSettings, *, clock: Clock = system_clock) -> Server:
    """Open the store, read or make secrets and keys, and put the endpoints in place.

    Raises: ConfigError: something that the settings name is not usable; StoreUnavailable: the store does not answer.
    """
    store = open_store(settings.store)
    shared = SharedSecrets(settings, store, clock)
    shared.join()
    metrics = None if settings.metrics is None else Metrics(settings.metrics, store, clock)
    hooks = hooks_of(settings, *(() if metrics is None else (metrics.listen,)))
    op = BundledProvider(settings, store, shared.ring, shared.keys.held.key_jar(), clock=clock, hooks=hooks)
    parts = op.session_management
    shared.keys.listeners.append(lambda keys: parts.op_keys.replace_with(keys.key_jar()))
    tree = cherrypy._cptree.Tree()
    tree.mount(_pages(op, settings, shared.ring), op.base_path)
    if op.base_path:
        tree.graft(Route("elsewhere", "/", ("GET", "POST"), _nothing_here, parts.error_page), "")
    for route in protocol_routes(op, settings):
        tree.graft(route, route.path)
    if metrics is not None:
        tree.graft(
            Route("metrics", f"{op.base_path}/metrics", ("GET",), metrics.answer, parts.refuse_as_json),
            f"{op.base_path}/metrics",
        )
    sweeper = Sweeper(store, parts.clients, parts.settings, clock, hooks)
    application = with_client_address(shared.following(tree), settings.listen.proxy)
    if settings.issuer.startswith("https:") and not settings.is_on_loopback:  # there it would lock out every other port's http
        application = with_strict_transport_security(application)
    background = Background(sweeper, shared.check, parts.delivery if settings.logout.backchannel.deliver == "here" else None)
    return Server(op, store, application, sweeper, background, shared)


def _nothing_here(_: WebRequest) -> Response:
    raise ProtocolError("there is nothing here", error="not_found", status=404)


def _pages(op: BundledProvider, settings: ServerSettings, secrets: SecretRing) -> cherrypy.Application:
    site = Site(op, settings)
    application = cherrypy.Application(site, op.base_path)
    # on the class, not in the configuration: CherryPy refuses some requests before it has read that
    application.request_class = type(
        "PagesRequest",
        (Request,),
        {
            "error_page": {"default": site.error_page},
            "process_request_body": False,
            "query_string_encoding": "latin-1",
            "show_tracebacks": False,
        },
    )
    application.merge(
        {
            "/": {
                "tools.take_no_parameters.on": True,
                "tools.trailing_slash.on": False,  # it redirects to whatever the Host header says
                "tools.log_headers.on": False,  # they hold cookies
            }
        }
    )
    application.toolboxes["tools"].take_no_parameters = cherrypy.Tool("before_handler", take_no_parameters, priority=1)
    application.log.access_log.disabled = True  # request lines hold ID Tokens
    is_https = settings.issuer.startswith("https:")
    application.wsgiapp.pipeline[:] = [
        ("last_resort", lambda app: LastResort(app, op)),
        ("web_session", lambda app: web_session_middleware(app, secrets=secrets, is_https=is_https)),
    ]
    return application
