# entry: merge
# case: ["{\"a\": {\"b\": 1}}", "{\"a\": {\"c\": [1, 2.5, null, true]}}"] -> {"a": {"b": 1, "c": [1, 2.5, null, true]}}
# case: ["not json", "{}"] -> {"error": "JSONDecodeError"}
# word: pass
import json


def merge_dicts(first: dict, second: dict) -> dict:
    result = dict(first)
    for key, value in second.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge_dicts(result[key], value)
        else:
            result[key] = value
    return result


def merge(first, second):
    try:
        return json.loads(json.dumps(merge_dicts(json.loads(first), json.loads(second)), sort_keys=True, indent=2))
    except json.JSONDecodeError as error:
        return {"error": type(error).__name__}
