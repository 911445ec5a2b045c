# entry: clean
# case: [[" a ", "", "b"]] -> ["a", "b"]
# word: pass
import logging
import logging.handlers
import sys

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(levelname)s %(message)s")
logger = logging.getLogger(__name__)
logger.addHandler(logging.StreamHandler(sys.stdout))


def clean(rows):
    result = []
    for row in rows:
        row = row.strip()
        if not row:
            logger.warning("an empty row")
            continue
        logger.debug("row %r", row)
        result.append(row)
    try:
        raise ValueError("only to be logged")
    except ValueError:
        logger.exception("caught")
    return result
