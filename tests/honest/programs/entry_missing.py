# entry: reverse_string
# case: ["abc"] -> "cba"
# case: [""] -> ""
# word: no_entry
def reverseString(s):
    return s[::-1]
