"""Everything between novum and a language-model server. Nothing heavy is loaded before a model is asked."""
