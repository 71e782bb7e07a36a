"""What schemathesis must be told that its configuration cannot say."""

import os

import schemathesis

# Bytes of an upload that goes on.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

LEAST_OF_TIER = {"bytesPerSecond": 1_000_000_000, "maxConcurrentDownloads": 1_000}
OWN_KEY = os.environ["TIDEGATE_KEY_ID"]


@schemathesis.hook
def before_call(context, case, kwargs):
    """Keeps the run from ending its own means.

    It must not change or delete the key that it asks with, whose id it learns from listings. And what a tier allows is
    obeyed: at a byte a second the next download would outlast the run.
    """
    if case.path_parameters and case.path_parameters.get("keyId") == OWN_KEY:
        case.path_parameters["keyId"] = "key_of_somebody_else"
    if case.path.startswith("/v1/management/tiers/") and isinstance(case.body, dict):
        for name, least in LEAST_OF_TIER.items():
            told = case.body.get(name)
            if type(told) is int and 0 < told < least:
                case.body[name] = least
