"""Preferences: which of two items does the principal like better, and what does it value?"""
