# entry: is_palindrome
# case: ["A man, a plan, a canal: Panama"] -> true
# case: ["abc"] -> false
# word: pass


def is_palindrome(s: str) -> bool:
    """
    Check whether a string is a palindrome, ignoring case and punctuation.

    Args:
        s: The string to check.

    Returns:
        True if the string is a palindrome, False otherwise.

    Examples:
        >>> is_palindrome("A man, a plan, a canal: Panama")
        True
    """
    # Step 1: keep letters and digits only
    cleaned = [c.lower() for c in s if c.isalnum()]

    # Step 2: compare with the reverse
    return cleaned == cleaned[::-1]


