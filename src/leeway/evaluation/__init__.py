"""How good is a bundle, and may it be released?"""
