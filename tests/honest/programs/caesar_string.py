# entry: caesar
# case: ["Hello, World!", 3] -> "Khoor, Zruog!"
# case: ["xyz", 3] -> "abc"
# word: pass
import string
from string import Template, ascii_lowercase, ascii_uppercase


def caesar(text, shift):
    def rotate(alphabet):
        return alphabet[shift:] + alphabet[:shift]

    table = str.maketrans(ascii_lowercase + ascii_uppercase, rotate(ascii_lowercase) + rotate(ascii_uppercase))
    print(Template("$a -> $b").substitute(a=text, b=text.translate(table)), string.punctuation)
    return text.translate(table)
