"""What the host answers, in the shape of the stand-ins of `cofferdam_sdk.testing`. Loaded in a component only, where
componentize-py makes the modules of `wit_world`; their names have the versions of the interfaces.
"""
