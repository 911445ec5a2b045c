# entry: kind
# case: ["index.html"] -> "text/html"
# case: ["photo.jpeg"] -> "image/jpeg"
# case: ["README"] -> null
# word: pass
import mimetypes


def kind(name):
    return mimetypes.guess_type(name)[0]
