"""What a network sees and what an objective says of a picture, without painting one.

Feature maps, Gram matrices, reconstructions from a layer, losses of finished pictures. It needs no session and no
run; :mod:`impasto.apps` imports it.
"""
