# entry: reverse_words
# case: ["hello 🌍"] -> "🌍 hello"
# case: ["naïve café"] -> "café naïve"
# case: ["日本 語"] -> "語 日本"
# case: ["👩‍👩‍👧 ok"] -> "ok 👩‍👩‍👧"
# word: pass
import unicodedata


def reverse_words(text: str) -> str:
    """Dreht die Wörter um – «à l'envers» 🔄."""
    print(f"→ {text} ✓", unicodedata.name(text[-1], "?"), unicodedata.normalize("NFD", text))
    return " ".join(reversed(text.split()))
