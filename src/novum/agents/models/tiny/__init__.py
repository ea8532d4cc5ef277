"""A language model of half a million weights, made on the spot and served as the large ones are.

It shows that everything between a campaign and a model works, without a download, a GPU or a network. Its
words mean nothing: with a schema they have the right form, and no more.
"""
