"""Readings by the thousand, of lists that change while they are read: none may call itself complete and be wrong.
`./dev readings`"""
