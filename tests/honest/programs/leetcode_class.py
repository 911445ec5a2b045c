# entry: longest_palindrome
# case: ["babad"] -> "bab"
# case: ["cbbd"] -> "bb"
# case: [""] -> ""
# word: pass
class Solution:
    def longestPalindrome(self, s: str) -> str:
        def expand(left: int, right: int) -> str:
            while left >= 0 and right < len(s) and s[left] == s[right]:
                left -= 1
                right += 1
            return s[left + 1:right]

        best = ""
        for i in range(len(s)):
            for candidate in (expand(i, i), expand(i, i + 1)):
                if len(candidate) > len(best):
                    best = candidate
        return best


def longest_palindrome(s):
    return Solution().longestPalindrome(s)
