"""Takes several messages at once."""

from cofferdam_sdk import Failure, Output, batch_handler


@batch_handler
def handle(messages):
    for message in messages:
        try:
            yield Output.json("out", message.json())
        except Failure as failure:
            yield failure
