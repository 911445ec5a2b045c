# entry: inorder
# case: [[5, 2, 8, 1, 9]] -> [1, 2, 5, 8, 9]
# case: [[]] -> []
# word: pass
from typing import Iterator, List, Optional


class TreeNode:
    def __init__(self, val: int = 0, left: "Optional[TreeNode]" = None, right: "Optional[TreeNode]" = None):
        self.val, self.left, self.right = val, left, right

    def __iter__(self) -> "Iterator[int]":
        if self.left:
            yield from self.left
        yield self.val
        if self.right:
            yield from self.right


class ListNode:
    def __init__(self, val=0, next=None):
        self.val, self.next = val, next


def insert(root: Optional[TreeNode], val: int) -> TreeNode:
    if root is None:
        return TreeNode(val)
    if val < root.val:
        root.left = insert(root.left, val)
    else:
        root.right = insert(root.right, val)
    return root


def inorder(values: List[int]) -> List[int]:
    root = None
    for value in values:
        root = insert(root, value)
    head = None
    for value in reversed(list(root or [])):
        head = ListNode(value, head)
    result = []
    while head:
        result.append(head.val)
        head = head.next
    return result
