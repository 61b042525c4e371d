"""Write Cofferdam message handlers in Python: one function, and a decorator that makes a plugin of it.

    from cofferdam_sdk import Message, Output, ValidationError, handler

    @handler
    def handle(message: Message) -> list[Output]:
        order = message.json()          # not JSON: permanent VALIDATION_ERROR
        if not order["items"]:
            raise ValidationError("an order without items")
        return [Output.json("billable", order["total"], key=order["id"])]

`python -m cofferdam_sdk.build my_handler` makes the component. Without it, the function is a function like any other:
`cofferdam_sdk.testing` makes messages for it and stands in for the host.

What a plugin has to be granted is a module of its own, `keyvalue` and `http`: importing it makes the plugin ask for it.
"""

from .failure import Deferred, Failure, Permanent, Retryable, ValidationError
from .header import Header
from .message import Message
from .output import Output
from .registry import batch_handler, handler

__all__ = [
    "Deferred",
    "Failure",
    "Header",
    "Message",
    "Output",
    "Permanent",
    "Retryable",
    "ValidationError",
    "batch_handler",
    "handler",
]
