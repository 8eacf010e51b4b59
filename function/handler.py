"""The entry point of the Lambda function: function.handler.handler."""

import os

from function.loop import Loop
from function.service import Service
from function.upsert import Upsert

# Once per execution environment, while Lambda initialises it at full speed. A copy: each look into
# os.environ itself encodes and decodes.
_environment = {**os.environ}
_names = ["dynamodb", "sqs"] if "QUEUE_URL" in _environment else ["dynamodb"]
handler = Upsert(_environment, Loop(*(Service(name, _environment) for name in _names)))
