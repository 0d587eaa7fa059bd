"""Models behind a port: `cinfer serve MODEL...`, `cinfer.serve(["model.onnx"])`; docs/serve.md.

    models.py           what is served: sessions by name, and what each makes of a picture
    limits.py           what a request may take
    turns.py            as many requests at once as there are CPUs for
    app.py              the WSGI application: paths, keys, limits, errors as one line of JSON
    forms.py            what comes in the body of a request: forms with files, pictures, JSON
    pictures.py         pictures in, answers out: DeepStack's paths, and /v1/read with all of docs/json.md
    tensors.py          tensors in, tensors out: KServe's v2 protocol
    metrics.py          what Prometheus asks for
    replies.py          what is answered
    index.html          the page for people
    server.py           the application under waitress, and how it ends
    ports.py            who is let in where many come, and which thread answers
    channels.py         what waitress leaves open: clients that are too slow or gone, bodies that are too large
    frigate.py          Frigate's detector over ZeroMQ
"""
import sys

from ..imports import Called, on_demand

__all__ = ["Application", "Limits", "serve"]
__getattr__ = on_demand(__name__, {"Application": "app", "Limits": "limits", "serve": "server"})

sys.modules[__name__].__class__ = Called
