"""What others read of the messages: AsyncAPI, TypeScript and a reference, made from the models.

`python -m cli.description` writes them; the tests say when it has to be run again.
"""
