"""What schemathesis must be told that its configuration cannot say."""

import os

import schemathesis

# Bytes of an upload that goes on.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

OWN_KEY = os.environ["TIDEGATE_KEY_ID"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps the run from changing or deleting the key that it asks with, whose id it learns from listings."""
    if case.path_parameters and case.path_parameters.get("keyId") == OWN_KEY:
        case.path_parameters["keyId"] = "key_of_somebody_else"
