"""Single mistakes, made on purpose in a copy of the code: each must turn a test red. `python -m tests.sabotages`"""
