"""Parameters: strict models, located messages.

`models` says what the files may hold; `load` reads and checks them.
"""
